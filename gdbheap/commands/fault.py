"""fault: why did the program stop here?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gdbheap.commands.command import Command, Target
from gdbheap.counted import counted
from gdbheap.errors import HeapError, NoHeap
from gdbheap.malloc.heap_view import HeapView
from gdbheap.malloc.layout import Layout
from gdbheap.process.mm import read_mm
from gdbheap.process.stop import Stop
from gdbheap.report.report import ABSENT, Column, Line, Report

if TYPE_CHECKING:
    from gdbheap.analysis.faults.verdict import Scene, Verdict

_COLUMNS = (
    Column("verdict", token="heading"),
    Column("confidence"),
    Column("address", "address", "address"),
    Column("summary"),
    Column("evidence", "texts"),
    Column("next", "texts"),
)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Explain the selected thread's stop."""
    # Kept out of gdb's start: the recognisers are many, and most sessions never die.
    from gdbheap.analysis.faults.fault import explain_stop, is_fault

    scene, notes = make_scene(target)
    if not is_fault(scene):
        return Report("fault", _COLUMNS, [], before=(_ordinary(scene.stop),))
    verdicts = explain_stop(scene)
    rows = [_row(each) for each in verdicts]
    return Report("fault", _COLUMNS, rows, people=list(_people(scene, verdicts)), notes=notes)


def make_scene(target: Target) -> tuple[Scene, tuple[str, ...]]:
    """Return all that the recognisers look at, and notes on what could not be had."""
    from gdbheap.analysis.faults.operand import decode
    from gdbheap.analysis.faults.verdict import Scene

    process = target.process
    stop = target.stop()
    layout: Layout | None = None
    heap: HeapView | None = None
    notes: tuple[str, ...] = ()
    try:
        layout = target.layout()
        heap = target.heap()
    except NoHeap:
        pass  # there is no heap whose state could explain anything
    except HeapError as error:
        notes = (f"the heap's state is not known: {error}",)
    scene = Scene(
        stop=stop,
        process=process,
        instruction=decode(stop.instruction, stop.thread.registers, process.word),
        heap=heap,
        symbol_at=target.symbol_at,
        abort_message=target.abort_message(),
        tcache_key=layout.tcache_key if layout is not None else None,
        stack_limit=read_mm(process).stack_limit,
    )
    return scene, notes


def _ordinary(stop: Stop) -> str:
    if stop.signal is None:
        return "no signal stopped this thread: there is no fault to explain. `explain ADDRESS` tells about an address"
    return f"{stop.signal_name} stopped this thread; it is no fault. `explain ADDRESS` tells about an address"


def _row(verdict: Verdict) -> tuple[Any, ...]:
    address = ABSENT if verdict.address is None else verdict.address
    return verdict.name, verdict.confidence, address, verdict.summary, verdict.evidence, verdict.next


def _people(scene: Scene, verdicts: list[Verdict]) -> Iterator[Line]:
    """Yield what happened, then each verdict: what, why it is thought so, and what to type next."""
    stop = scene.stop
    yield Line((("fault", f"{stop.signal_name}"), ("", _where(stop))))
    if stop.source:
        yield Line((("dim", "  source       "), ("source", stop.source)))
    if stop.instruction:
        yield Line((("dim", "  instruction  "), ("assembly", stop.instruction)))
    for access in scene.accesses:
        how = f"{access.access}s {counted(access.size, 'byte')} at" if access.size else f"{access.access}s"
        yield Line((("dim", "  operand      "), ("", f"{access.text} {how} "), ("address", f"{access.address:#x}")))
    for number, verdict in enumerate(verdicts):
        yield Line((("heading", verdict.name), ("dim", f"  ({verdict.confidence})  "), ("", verdict.summary)))
        for fact in verdict.evidence:
            yield Line((("dim", "  because  "), ("", fact)))
        if number == 0:
            for command in verdict.next:
                yield Line((("dim", "  next     "), ("command", command)))


def _where(stop: Stop) -> str:
    frame = stop.frames[0] if stop.frames else None
    name = frame.function if frame is not None and frame.function else f"{stop.thread.program_counter:#x}"
    address = (
        f", si_addr {stop.signal.address:#x}" if stop.signal is not None and stop.signal.address is not None else ""
    )
    return f" in {name}, thread {stop.thread.number}{address}"


COMMAND = Command(
    name="fault",
    summary="Explain the signal that stopped the program: what happened, why, and what to type next.",
    description=(
        "Verdicts come best first, each with its confidence (certain: the evidence leaves no other way; likely; possible) and the facts that it "
        "rests on. Works on a live process and on a core."
    ),
    run=run,
    examples=(("fault", "why the program died here"),),
)
