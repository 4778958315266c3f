"""Leaving out, of huge mappings, what the process has never touched, and a file's holes: a reserved terabyte is not
read.

Of a remote process nobody tells what it has touched: there what is too large to be read through the connection is
left out as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import merge

from gdbheap.process.address_space import VMA
from gdbheap.process.file_holes import with_data
from gdbheap.process.live.copied_memory import CopiedMemory
from gdbheap.process.live.kernel_page import KERNEL_PAGE
from gdbheap.process.live.live_memory import is_private_anonymous
from gdbheap.process.live.mapped_file import may_be_regular_file, open_mapped_file
from gdbheap.process.live.pages import PageState, read_pages
from gdbheap.process.live.touched_pages import TouchedPages
from gdbheap.process.memory import sparse
from gdbheap.process.process import Process

# Reading less than this costs less than asking for its pages.
_LARGE = 64 << 20
# A connection gives some tens of MB/s, even on one machine.
_MOST_REMOTE = 1 << 30
_EMPTY = (PageState.UNTOUCHED, PageState.ZERO, PageState.GUARD)


def touched_spans(process: Process, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of the [start, end) spans that may hold anything but zeros, but for those out_of_reach(). Each
    span lies in one mapping."""
    for start, end in spans:
        if end - start < _LARGE:
            yield start, end
            continue
        vma = process.address_space.find(start)
        if process.kind == "core" and (held := sparse(process.memory)) is not None:
            yield from held.data_spans(start, end)
        elif isinstance(process.memory, CopiedMemory):
            yield from process.memory.data_spans(start, end)
        elif is_out_of_reach(process, start, end):
            continue
        elif process.pid is None or vma is None or end > vma.end:
            yield start, end
        elif is_private_anonymous(vma):
            yield from _told(process.pid, vma, start, end)
        elif may_be_regular_file(vma):
            yield from _of_file(process.pid, vma, start, end)
        else:
            yield start, end


def out_of_reach(process: Process, spans: Iterable[tuple[int, int]]) -> int:
    """Return how many bytes of the spans touched_spans() leaves out unseen: those of a remote process that are too
    large."""
    return sum(end - start for start, end in spans if is_out_of_reach(process, start, end))


def is_out_of_reach(process: Process, start: int, end: int) -> bool:
    """Whether touched_spans() leaves the span out unseen."""
    return process.kind == "remote" and end - start > _MOST_REMOTE


def _told(pid: int, vma: VMA, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield what this process has touched."""
    with TouchedPages(pid) as pages:
        told = pages.of(replace(vma, start=start & -KERNEL_PAGE, end=-(-end // KERNEL_PAGE) * KERNEL_PAGE))
    for low, high in ((start, end),) if told is None else told[0]:
        yield max(low, start), min(high, end)


def _asked(pid: int, vma: VMA, start: int, end: int, fresh: tuple[PageState, ...]) -> Iterator[tuple[int, int]]:
    """Yield where the pages of this process are in another state than `fresh`."""
    try:
        pages = next(
            read_pages(pid, [replace(vma, start=start & -KERNEL_PAGE, end=-(-end // KERNEL_PAGE) * KERNEL_PAGE)])
        )
    except (OSError, StopIteration):
        yield start, end
        return
    for run in pages.runs:
        if run.state not in fresh:
            yield max(run.start, start), min(run.end, end)


def _of_file(pid: int, vma: VMA, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the file has data, or a private mapping pages of its own. Of a file that cannot be opened, what
    this process has touched (to touch the rest would fill the file)."""
    file = open_mapped_file(pid, vma)
    if file is None:
        yield from _told(pid, vma, start, end)
        return
    own = [] if vma.shared else list(_asked(pid, vma, start, end, fresh=(*_EMPTY, PageState.FILE)))
    with file:
        yield from _united(merge(own, with_data(file.fileno(), vma.start - vma.offset, start, end)))


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, which come in order of their starts, with those that touch or overlap made one."""
    low, high = 0, -1
    for start, end in spans:
        if start <= high:
            high = max(high, end)
            continue
        if low < high:
            yield low, high
        low, high = start, end
    if low < high:
        yield low, high
