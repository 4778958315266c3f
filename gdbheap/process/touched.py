"""Leaving out, of huge mappings, what the process has never touched: a reserved terabyte is not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.process.address_space import VMA
from gdbheap.process.live_memory import is_private_anonymous
from gdbheap.process.memory import PAGE
from gdbheap.process.pages import PageState, read_pages
from gdbheap.process.process import Process

# Reading less than this costs less than asking for its pages.
_LARGE = 64 << 20
_EMPTY = (PageState.UNTOUCHED, PageState.ZERO, PageState.GUARD)


def touched_spans(process: Process, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of the [start, end) spans that may hold anything but zeros. Each span lies in one mapping."""
    for start, end in spans:
        vma = process.address_space.find(start)
        large = end - start >= _LARGE and process.pid is not None
        if large and vma is not None and end <= vma.end and is_private_anonymous(vma):
            yield from _asked(process, start, end)
        else:
            yield start, end


def _asked(process: Process, start: int, end: int) -> Iterator[tuple[int, int]]:
    assert process.pid is not None
    try:
        pages = next(read_pages(process.pid, [VMA(start & -PAGE, -(-end // PAGE) * PAGE, "rw-p")]))
    except (OSError, StopIteration):
        yield start, end
        return
    for run in pages.runs:
        if run.state not in _EMPTY:
            yield max(run.start, start), min(run.end, end)
