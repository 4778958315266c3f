"""The tops of arenas, what keeps them from going down, and what malloc_trim() or the next free() would give back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.allocators.heap import HeapTop
from gdbheap.errors import HeapError
from gdbheap.glibc.chunk_table import FREE_STATES, Chunk, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.lazy import np
from gdbheap.process.live.resident_pages import ResidentPages
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What malloc_consolidate() joins to its free neighbours, or to top: the fastbins' chunks and what is in bins.
_JOINING = [int(state) for state in (State.FASTBIN, State.UNSORTED, State.SMALL, State.LARGE)]

# M_TRIM_THRESHOLD's and M_TOP_PAD's, as malloc(3) has them.
DEFAULT_TRIM_THRESHOLD = DEFAULT_TOP_PAD = 128 << 10


def read_tops(process: Process, view: HeapView, pages: ResidentPages | None) -> Iterator[HeapTop]:
    """Yield the top of each arena."""
    table, layout, pad = view.table, view.layout, _top_pad(process, view.layout)
    free = np.isin(table.state, [int(state) for state in FREE_STATES])
    joining = np.isin(table.state, _JOINING)
    for row in np.flatnonzero(table.state == State.TOP).tolist():
        index = int(table.arena[row])
        here = table.arena == index
        address, size = int(table.address[row]), int(table.size[row])
        first = int(np.flatnonzero(here)[0])
        pin, below = _pin(table, joining, free, first, row)
        chunks = table.take(here & free)
        ends = chunks.address + chunks.size
        held = None if pages is None else int(pages.within(chunks.address, ends).sum())
        own = None if pages is None else int(pages.within(address, address + size))
        trimmable = (
            None if pages is None else _trimmable(table.take(here & joining), index == 0, table[row], layout, pages)
        )
        by_threshold = None if pages is None else _by_threshold(table[row], layout, pad, pages)
        yield HeapTop(index, address, size, pin, below, own, int(chunks.size.sum()), held, trimmable, by_threshold)


def _top_pad(process: Process, layout: Layout) -> int:
    """Return mp_.top_pad, the default where it is not known."""
    if layout.mp is None or layout.malloc_par is None:
        return DEFAULT_TOP_PAD
    try:
        pad = layout.malloc_par.read(process.memory, layout.mp.value).get("top_pad")
    except HeapError:
        pad = None
    return DEFAULT_TOP_PAD if pad is None else pad


def _by_threshold(top: Chunk, layout: Layout, pad: int, pages: ResidentPages) -> int:
    """Return the resident bytes of top that systrim() (of a thread's arena heap_trim()) gives back: whole pages from
    its end, MINSIZE, a byte and top_pad kept, once top is as large as the threshold."""
    if top.size < DEFAULT_TRIM_THRESHOLD:
        return 0
    extra = max(top.size - layout.min_size - 1 - pad, 0) & -layout.page_size
    return int(pages.within(top.end - extra, top.end))


def _pin(
    table: ChunkTable, joining: NDArray[np.bool_], free: NDArray[np.bool_], first: int, top: int
) -> tuple[tuple[int, int, str] | None, int]:
    """Return the chunk right below top, once malloc_consolidate() has joined to top what it does, and the bytes of
    the free ones right below that."""
    at = top - 1
    while at >= first and joining[at] and _touches(table, at):
        at -= 1
    if at < first or not _touches(table, at):
        return None, 0
    chunk = table[at]
    taken = np.flatnonzero(~free[first:at])
    start = first + int(taken[-1]) + 1 if len(taken) else first
    return (chunk.address, chunk.size, chunk.state.label), int(table.size[start:at].sum())


def _touches(table: ChunkTable, row: int) -> bool:
    """Whether a chunk ends where the next one begins."""
    return int(table.address[row]) + int(table.size[row]) == int(table.address[row + 1])


def _trimmable(chunks: ChunkTable, is_main: bool, top: Chunk, layout: Layout, pages: ResidentPages) -> int:
    """Return the resident bytes that malloc_trim(0) gives back of an arena's free `chunks` (what lies in tcaches stays)
    and top.

    Mirrors mtrim(): after malloc_consolidate() has joined the fastbins' chunks to their neighbours, the whole pages
    of each free chunk of a page and more, from behind the six words of struct malloc_chunk on. And systrim(0), for
    the main arena: whole pages from the end of top, MINSIZE and a byte kept.
    """
    start, end = _joined(chunks.address, chunks.address + chunks.size)
    at_top = end == np.uint64(top.address)
    large = (end - start > np.uint64(layout.page_size - 1 + 6 * layout.pointer_size)) & ~at_top
    mask = np.uint64(~(layout.page_size - 1) & (1 << 64) - 1)
    low = (start[large] + np.uint64(6 * layout.pointer_size + layout.page_size - 1)) & mask
    high = end[large] & mask
    trimmed = int(pages.within(low, np.maximum(low, high)).sum())
    if is_main:
        size = top.size + int((end - start)[at_top].sum())
        extra = max(size - layout.min_size - 1, 0) & -layout.page_size
        trimmed += int(pages.within(top.end - extra, top.end))
    return trimmed


def _joined(start: NDArray[np.uint64], end: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the ranges, which are in order, with those that touch made one."""
    if not len(start):
        return start, end
    first = np.flatnonzero(np.concatenate(([True], start[1:] != end[:-1])))
    return start[first], end[np.append(first[1:] - 1, len(end) - 1)]
