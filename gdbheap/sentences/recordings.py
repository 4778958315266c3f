"""What is said of a recording of allocations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gdbheap.counted import counted
from gdbheap.process.recording import RecordingEnd
from gdbheap.report.printable import human_size
from gdbheap.report.report import Line

if TYPE_CHECKING:
    from gdbheap.allocators.heap import Heap
    from gdbheap.process.recording import Recording, Sampling

_WHY = {
    RecordingEnd.TIME: "",
    RecordingEnd.INTERRUPTED: "stopped by Ctrl-C",
    RecordingEnd.BREAKPOINT: "ended at breakpoint {}",
    RecordingEnd.SIGNAL: "ended by {}",
    RecordingEnd.EXITED: "ended with the process, which has exited: what was still in use then is not known",
    RecordingEnd.EXECUTED: "ended as the process ran another program: what was still in use then is not known",
    RecordingEnd.STOPPED: "ended as gdb stopped the process: a catchpoint of yours",
}


def recording_summary(
    recording: Recording, sampling: Sampling, stood: tuple[float, float], alive: int, alive_bytes: int
) -> Iterator[Line]:
    """Yield how much was seen, at which price, and what may have been missed: the process was stopped for `stood`
    seconds more, before and after; `alive` blocks are in use still."""
    part = recording.held / recording.seconds if recording.seconds else 0.0
    yield Line.plain(
        f"{counted(len(recording.samples), 'call')} sampled in {recording.seconds:.1f} s; the process was held for "
        f"{part:.1%} of the time (at most {sampling.slowdown:.0%} was asked for)",
        "total",
    )
    before, after = stood
    yield Line.plain(
        f"before that, the process was stopped for {before:.1f} s while gdb read its heap, and for {after:.1f} s after",
        "dim",
    )
    if why := _WHY[recording.end].format(recording.detail):
        yield Line.plain(why)
    if recording.set_aside:
        names = ", ".join(f"`set {each}`" for each in recording.set_aside)
        yield Line.plain(f"gdb stayed with this process, and let its children go: {names} was set aside for so long")
    if not recording.samples:
        yield Line.plain("no call was seen: the program did not allocate, or not in these sizes")
        return
    if recording.end not in (RecordingEnd.EXITED, RecordingEnd.EXECUTED):
        are = "is" if alive == 1 else "are"
        size = human_size(alive_bytes)
        yield Line.plain(f"of these, {counted(alive, 'block')} of {size} {are} still in use, by the heap itself")
    of_all = len(recording.samples) if recording.focused_from is None else recording.focused_from
    if recording.focused_from is not None:
        rest = len(recording.samples) - recording.focused_from
        yield Line.plain(
            f"the last {counted(rest, 'call')} are of those sizes alone of which the heap had more blocks by then, and "
            "no sample that told whose"
        )
    if of_all > 3:
        yield Line.plain(
            f"code that makes less than {3 / of_all:.1%} of the allocations may have been missed; where every call "
            "must be seen, heaptrack or Valgrind's massif is the better tool (from the program's start)",
            "dim",
        )


def untyped_summary(is_large: bool) -> Iterator[Line]:
    """Yield that no types were looked for, as the heap is large."""
    if is_large:
        yield Line.plain(
            "types were not looked for: in so large a heap the process would be stopped for long (--type TEXT does, "
            "`heap types --why ADDRESS` for one block)",
            "dim",
        )


def doubtful_summary(count: int) -> Iterator[Line]:
    """Yield how many sampled blocks are in use, but hold nothing of what they held at first."""
    if count:
        blocks = counted(count, "block")
        yield Line.plain(f"not counted: {blocks} rewritten since, in whose place another one may be by now", "dim")


def recording_of_growth(growth: Mapping[int, int], heap: Heap, sampling: Sampling) -> str:
    """Return the command that samples those requests alone that most of the growth, {chunk size: count}, is of; "" for
    no growth."""
    if not growth:
        return ""
    requests = heap.requests_of(_most(growth))
    more = "" if (sampling.least, sampling.most) == (0, None) else " --slowdown 50"
    return f"heap record --size {requests[0]}-{requests[-1]} --seconds 60{more}"


def unexplained_summary(growth: Mapping[int, int], again: str) -> Iterator[Line]:
    """Yield what the heap has grown by that no stack was seen for, {chunk size: count}; `again` is what to do."""
    if not growth:
        return
    count, octets = sum(growth.values()), sum(size * count for size, count in growth.items())
    yield Line.plain(
        f"the heap has grown by {counted(count, 'block')}, {human_size(octets)} more, of sizes of which no sampled "
        f"block is still in use: most of {_most(growth):#x}. `{again}` samples requests of that size alone"
    )


def _most(growth: Mapping[int, int]) -> int:
    return max(growth, key=lambda size: growth[size] * size)
