"""What the next allocator calls of a stopped process would do: its memory under the model, which writes to copies of
pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gdbheap.analysis.prediction.calls import Earlier, PredictedCall
from gdbheap.analysis.prediction.outcome import (
    ASSUMED,
    Assumed,
    CannotBeTold,
    CannotPredict,
    DiesWith,
    HeapBroken,
    HitsUnmapped,
    InsideCall,
    NeverEnds,
    NothingMore,
    Prediction,
    ReturnsNull,
    asks_kernel,
    source_of,
)
from gdbheap.analysis.prediction.state import models_of, refuse_other_mallocs, refuse_tags
from gdbheap.errors import HeapError
from gdbheap.glibc.heap_view import HeapView
from gdbheap.model import process as modelled
from gdbheap.model.errors import Abort, Endless, Segv, Unknown
from gdbheap.model.machine import ModelMalloc
from gdbheap.process.fact import Fact
from gdbheap.process.process import Process

_NO_RESULT = frozenset({"free"})
_BLOCKS = frozenset({"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc"})


def predict(
    process: Process, view: HeapView, lwp: int | None, inside: Mapping[int, str], calls: Iterable[PredictedCall]
) -> tuple[list[Prediction], list[Fact]]:
    """Return a prediction for each call that thread `lwp` would make, up to one that ends the process, and notes on
    what they rest on.

    `inside` are the threads that are in a call of malloc's, by lwp. Raises HeapError where the heap is broken, or
    something that the model must know is not known.
    """
    refuse_other_mallocs(view.layout)
    refuse_tags(process)
    if view.faults:
        raise CannotPredict(HeapBroken(view.faults[0].address, view.faults[0].message, view.faults[0].detail))
    if not view.complete:
        raise HeapError("cannot predict from a part of the heap: the walk was cut short")
    models, notes = models_of(process, view, lwp)
    notes += _unfinished(view, inside)
    predictions: list[Prediction] = []
    for call in calls:
        results = [each.result or 0 for each in predictions]
        predictions.append(_agreed([_predict(each, call, results) for each in models]))
        steps = models[0].machine.steps
        notes += [Assumed(call.text, each) for each in steps if each[0] in ASSUMED]
        if process.kind != "live" and asks_kernel(steps):
            notes.append(Assumed(call.text, None))
        if predictions[-1].last:
            notes.append(NothingMore())
            break
    return predictions, list(dict.fromkeys(notes))


def _agreed(predictions: list[Prediction]) -> Prediction:
    """Return what the models all say, or that they differ."""
    first = predictions[0]
    if all(
        (each.result, each.source, each.outcome) == (first.result, first.source, first.outcome) for each in predictions
    ):
        return first
    return Prediction(first.call, None, None, CannotBeTold(), (), last=True)


def _unfinished(view: HeapView, inside: Mapping[int, str]) -> list[Fact]:
    """Return notes on calls that are not finished yet."""
    notes: list[Fact] = [InsideCall(lwp, name) for lwp, name in inside.items()]
    if not inside and any(arena.is_locked for arena in view.arenas):
        notes.append(InsideCall())
    return notes


def _predict(model: modelled.ModelProcess, call: PredictedCall, results: list[int]) -> Prediction:
    machine = model.machine
    arguments = [results[each.number - 1] if isinstance(each, Earlier) else each for each in call.arguments]
    perform: Callable[..., int | None] = getattr(model, call.name)
    outcome: Fact | None = None
    result, last = None, True
    try:
        result = perform(*_as_c(machine, call.name, arguments))
        last = False
    except Abort as error:
        outcome = DiesWith(error.message, error.assertion)
    except Segv as error:
        outcome = HitsUnmapped(error.address)
    except Endless as error:
        outcome = NeverEnds(str(error))
    except Unknown as error:
        outcome = CannotBeTold(str(error))
    steps = list(machine.steps)
    if result == 0 and call.name in _BLOCKS and not (call.name == "realloc" and not arguments[1]):
        outcome = ReturnsNull("EINVAL" if ("invalid alignment",) in steps else "ENOMEM")
    freeing = call.name == "free" or (call.name == "realloc" and not arguments[1])
    where = None if last or (result == 0 and not freeing) else source_of(steps, freeing)
    return Prediction(call, None if call.name in _NO_RESULT else result, where, outcome, tuple(steps), last)


def _as_c(machine: ModelMalloc, name: str, arguments: list[int]) -> list[int]:
    """Return the arguments as the C function gets them: size_t, or int for mallopt."""
    if name == "mallopt":
        return [(each & 0xFFFFFFFF) - ((each & 0x80000000) << 1) for each in arguments]
    return [each & machine.mask for each in arguments]
