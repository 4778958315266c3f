"""heap record: which code allocates, from now on, what is still there at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

from gdbheap.counted import counted
from gdbheap.errors import HeapError, NoHeap, UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, left_out, limit_of
from gdbheap.lazy import dataclass
from gdbheap.pictures.profile_file import check_profiles, folded_report, profiles_written
from gdbheap.process.recording import RecordingEnd, Sampling
from gdbheap.report.report import ABSENT, Absent, Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.recordings import (
    doubtful_summary,
    recording_of_growth,
    recording_summary,
    unexplained_summary,
    untyped_summary,
)
from gdbheap.session.block_names import block_names
from gdbheap.session.target import Target
from gdbheap.types.short_names import short_name

if TYPE_CHECKING:
    from gdbheap.allocators.heap import Heap
    from gdbheap.analysis.recordings.stack_groups import StackGroup
    from gdbheap.process.recording import AllocationFunction, Caller, Recording, Sample
    from gdbheap.report.profiles import Stack


@dataclass(frozen=True)
class _Row:
    """A stack, and what it allocated."""

    alive: int | None = field(metadata=column("count"))
    judged: int = field(metadata=column("count", heading="of"))
    calls: int = field(metadata=column("count"))
    chunk_size: int | tuple[int, int] = field(metadata=column("size", "size"))
    grown: int | None = field(metadata=column("count", heading="grown by"))
    grown_bytes: int | None = field(metadata=column("bytes", heading=""))
    function: str = field(metadata=column("text", "symbol"))
    example: int | Absent = field(metadata=column("address", "mem"))
    type: str | Absent = field(metadata=column("text", "symbol"))
    alive_bytes: int | None = field(metadata=column("bytes", shown=False))
    largest_size: int = field(metadata=column("size", shown=False))
    frames: Sequence[str] = field(metadata=column("texts", shown=False))


_FRAMES_SHOWN = 8
_DEFAULT_SECONDS = 10
# So much of the time that the process may be held goes into a second look at the heap.
_MUCH = 0.25
_DEFAULT_SLOWDOWN = 10
# To find the types takes as long as to read so large a heap ten times: the process is not held for that unasked.
_MOST_TYPED = 50_000


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Record, then hold what was seen against the heap."""
    from gdbheap.analysis.recordings.stack_groups import sizes_in_use, stack_groups, unexplained_growth

    sampling = _sampling(target, arguments)
    check_profiles(arguments)
    began = time.monotonic()
    view = target.heap()
    before = sizes_in_use(view)
    stood_before = time.monotonic() - began
    is_quick = stood_before < _MUCH * sampling.seconds * sampling.slowdown
    recording, sampling = _record(target, sampling, before if is_quick else None)
    ended = time.monotonic()
    after, notes = (None, []) if recording.end is RecordingEnd.EXECUTED else _heap_after(target)
    groups = stack_groups(recording.samples, view, after, before)
    unexplained = {} if after is None else unexplained_growth(groups, after, before, sampling)
    again = recording_of_growth(unexplained, view, sampling)
    is_large = arguments["type"] is None and after is not None and len(after.blocks()) > _MOST_TYPED
    rows = _rows(target, groups, after is not None and not is_large)
    groups, rows = _of_type(groups, rows, arguments["type"])
    if (folded := folded_report(COMMAND.name, arguments, lambda: _stacks(groups))) is not None:
        return folded
    stood = stood_before, time.monotonic() - ended
    alive = sum(row.alive or 0 for row in rows), sum(row.alive_bytes or 0 for row in rows)
    after_table = (
        *recording_summary(recording, sampling, stood, *alive),
        *untyped_summary(is_large),
        *doubtful_summary(sum(group.doubtful for group in groups)),
        *unexplained_summary(unexplained, again),
        *profiles_written(arguments, lambda: _stacks(groups)),
    )
    return Report(
        "heap record",
        (
            Table(columns_of(_Row), rows, list(_display_rows(groups, rows, limit_of(target, arguments)))),
            Prose(after_table),
            Facts(_totals(recording, unexplained, sum(stood)), shown=False),
        ),
        notes=tuple(notes),
        next=tuple(_next(recording, rows, again)),
    )


def _record(target: Target, sampling: Sampling, before: Mapping[int, int] | None) -> tuple[Recording, Sampling]:
    """Say what begins, and record; `before`: the blocks of each size at the start, where looking at them again costs
    little enough to choose by them what is sampled. Return the recording and the sampling that it was made by."""
    from gdbheap.glibc.cached_marks import cached_marks  # kept out of gdb's start

    focus = None if before is None else partial(_focus, target, sampling, before)
    sampling = replace(sampling, cached_marks=cached_marks(target.process, target.heap()), focus=focus)
    target.say(
        f"recording for {sampling.seconds:g} s (Ctrl-C ends it): gdb sets breakpoints on malloc's\n"
        "functions in short bursts, and removes them\n"
    )
    return target.record(sampling), sampling


def _rows(target: Target, groups: Sequence[StackGroup], with_types: bool) -> list[_Row]:
    """Return a row for each stack; `with_types`: the examples' types are found, which needs the heap."""
    names = block_names(target) if with_types else None
    return [_row(each, "" if names is None or each.example is None else names.at(each.example)) for each in groups]


def _of_type(
    groups: Sequence[StackGroup], rows: Sequence[_Row], wanted: str | None
) -> tuple[list[StackGroup], list[_Row]]:
    """Return those whose example's type has `wanted` in its name (None: all)."""
    pairs = zip(groups, rows)
    chosen = [each for each in pairs if wanted is None or wanted.lower() in str(each[1].type).lower()]
    return [group for group, _ in chosen], [row for _, row in chosen]


def _totals(recording: Recording, unexplained: Mapping[int, int], stood: float) -> dict[str, Any]:
    return {
        "samples": len(recording.samples),
        "calls_of_other_sizes": recording.others,
        "seconds": recording.seconds,
        "held_seconds": recording.held,
        "stopped_seconds": stood,
        "slowdown": recording.held / recording.seconds if recording.seconds else 0.0,
        "unexplained_blocks": sum(unexplained.values()),
        "unexplained_bytes": sum(size * count for size, count in unexplained.items()),
        "end": recording.end.value,
        "end_detail": recording.detail or None,
    }


def _next(recording: Recording, rows: Sequence[_Row], again: str) -> Iterator[Next]:
    """Yield what leads on: the first example, what has grown unseen, or simply on with the program."""
    if again:
        yield Next(again, shown=False)
    if (example := next((row.example for row in rows if row.example is not ABSENT), None)) is not None:
        yield Next(f"heap owners {example:#x}", "who points to the first example")
        yield Next(f"heap types --why {example:#x}", "what it is")
    if recording.end in (RecordingEnd.TIME, RecordingEnd.INTERRUPTED):
        yield Next("continue", "lets it run on")


def _sampling(target: Target, arguments: Mapping[str, Any]) -> Sampling:
    process = target.process
    if process.kind != "live" or process.pid is None:
        raise UsageError(
            "a core cannot run, so there is nothing to record"
            if process.kind == "core"
            else "through gdbserver nothing can be recorded: run gdb on that machine, and attach to the process there"
        )
    target.check_recording()
    functions: tuple[AllocationFunction, ...] = target.allocation_functions()
    if not functions:
        raise NoHeap("malloc's functions were not found: where they begin is not known")
    least, most = arguments["size"] or (0, None)
    slowdown = min(max(arguments["slowdown"], 1), 100) / 100
    return Sampling(functions, float(arguments["seconds"]), slowdown, least or 0, most, max(arguments["depth"], 1))


def _focus(
    target: Target, sampling: Sampling, before: Mapping[int, int], samples: Sequence[Sample]
) -> Callable[[int], bool] | None:
    """Return which requests are to be sampled alone after a part of the time: see Sampling.focus."""
    from gdbheap.analysis.recordings.stack_groups import wanted_sizes  # kept out of gdb's start

    view, _ = _heap_after(target)
    return None if view is None else wanted_sizes(samples, view, before, sampling)


def _heap_after(target: Target) -> tuple[Heap | None, list[str]]:
    """Return the heap at the end, None where there is none any more, and what is to be known of it."""
    try:
        view = target.heap()
    except HeapError:
        return None, []
    return view, list(said_all(view.notes))


def _row(group: StackGroup, type_name: str) -> _Row:
    return _Row(
        alive=group.alive,
        judged=group.judged,
        calls=group.calls,
        chunk_size=group.sizes[0],
        grown=group.grown,
        grown_bytes=group.grown_bytes,
        function=group.function,
        example=ABSENT if group.example is None else group.example,
        type=type_name or ABSENT,
        alive_bytes=group.alive_bytes,
        largest_size=group.sizes[1],
        frames=[_frame(each) for each in group.stack],
    )


def _frame(caller: Caller) -> str:
    """Return a frame for people: "work at work.c:20", or its module."""
    where = f" at {caller.place}" if caller.place else f" in {caller.library}" if caller.function else ""
    return f"{short_name(caller.name)}{where}"


def _display_rows(groups: Sequence[StackGroup], rows: Sequence[_Row], limit: int) -> Iterator[_Row | Line]:
    """Yield each group with its stack below it."""
    shown = limit or len(groups)
    for group, row in zip(groups[:shown], rows):
        yield replace(row, chunk_size=group.sizes) if group.sizes[0] < group.sizes[1] else row
        for words in _stack_shown(group.stack):
            yield Line.plain(f"      by {words}", "dim")
    if len(groups) > shown:
        yield left_out(len(groups) - shown, "stack")


def _stack_shown(stack: Sequence[Caller]) -> Iterator[str]:
    """Yield the innermost frames, those in a row counted that are C++'s library's alone."""
    from gdbheap.analysis.call_stacks.whose_code import is_between_new_and_program

    runs = groupby(stack, lambda caller: is_between_new_and_program(caller.function))
    lines = chain.from_iterable(
        [f"C++'s library ({counted(len(list(callers)), 'frame')})"] if of_library else map(_frame, callers)
        for of_library, callers in runs
    )
    yield from islice(lines, _FRAMES_SHOWN)


def _stacks(groups: Sequence[StackGroup]) -> list[Stack]:
    """Return the stacks weighed by what is still in use (by the calls, where that is not known)."""
    is_known = any(group.alive is not None for group in groups)
    stacks = [
        (
            [*(each.name for each in reversed(group.stack)), group.function],
            (group.alive_bytes or 0, group.alive or 0) if is_known else (group.calls, group.calls),
        )
        for group in groups
    ]
    return [each for each in stacks if each[1][0]]


COMMAND = Command(
    name="heap record",
    summary="Record which code allocates, and which of its blocks are still in use at the end.",
    description=(
        "Lets the process run, and samples its calls of malloc, calloc, realloc and the like (operator new, strdup "
        "and others call these): the size, the call stack and the block of each. Calls of free are not watched: at "
        "the end the heap itself tells which of the sampled blocks are still in use. The answer counts these by call "
        "stack (alive, out of the blocks that were followed long enough to know, and that still hold something of what "
        "they held at first, unless nothing else explains that the heap grows). Stacks that make the heap grow come "
        "first: grown by is a stack's share of the blocks of these sizes that were added since the start.\n"
        "This is the only command inside gdb that sets breakpoints: gdb writes them into the program's code for a few "
        "calls in a row, and always removes them again, however the recording ends. Between two such bursts the "
        "process runs freely, long enough that it is held for at most --slowdown percent of the time (where gdb took "
        "longer, it runs on until that is so, for twice the time at most). Signals that it handles do not stop it. "
        "Before and after that, gdb reads the heap of the stopped process; the answer says for how long. At the end it "
        "is stopped; type `continue` or `detach`."
    ),
    run=run,
    arguments=(
        Argument("--seconds", "count", "Record for this many seconds.", default=_DEFAULT_SECONDS),
        Argument("--size", "range", "Only requests of these sizes, in bytes."),
        Argument(
            "--type",
            "word",
            "Only stacks whose example has a type with this text in its name (in a heap of more than "
            f"{_MOST_TYPED:,} blocks, types are found only if this is given: the process is stopped meanwhile).",
        ),
        Argument(
            "--slowdown",
            "count",
            "Hold the process for at most this percentage of the time (1 to 100).",
            default=_DEFAULT_SLOWDOWN,
        ),
        Argument("--depth", "count", "Keep this many frames of each stack.", default=16),
        count_argument("stacks"),
        Argument(
            "--folded",
            "path",
            "Also write the stacks to this file, as flame graphs read them (-: to standard output instead).",
        ),
        Argument("--pprof", "path", "Also write the stacks to this file, as a profile for pprof."),
    ),
    examples=(
        ("heap record", "which code allocates in the next ten seconds; what makes the heap grow comes first"),
        ("heap record --size 0x100-0x200 --seconds 60", "the same for requests of these sizes, for a minute"),
    ),
)
