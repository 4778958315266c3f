"""The map of an arena: its memory in equal cells, and what each cell holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import FREE_STATES, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass, np
from gdbheap.process.live.resident_pages import ResidentPages

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a cell's bytes are (published names): in blocks in use; in free chunks, with their pages in memory or given back
# to the system (or never touched); in top, likewise; and malloc's own chunks, fenceposts, and what is not known.
LIVE, FREE, GIVEN_BACK, TOP, TOP_UNTOUCHED, OTHER = "live", "free", "given_back", "top", "top_untouched", "other"
KINDS = (LIVE, FREE, GIVEN_BACK, TOP, TOP_UNTOUCHED, OTHER)
_SMALLEST = 16


@dataclass(frozen=True)
class HeapMap:
    """Columns with a value for each cell, by address: `start` and `end` (cells are of `cell` bytes, but for the last of
    each stretch), `first` whether a stretch of the arena begins there, `bytes` by kind, and `largest` the row in the
    table of the largest block in use that lies or begins in it (-1: none).

    `pages_known`: which pages are in memory is known; else free and top stand for both of theirs.
    """

    arena: int
    cell: int
    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    first: NDArray[np.bool_]
    bytes: Mapping[str, NDArray[np.int64]]
    largest: NDArray[np.int64]
    pages_known: bool

    def __len__(self) -> int:
        return len(self.start)

    def totals(self) -> dict[str, int]:
        """Return the bytes of each kind in all cells."""
        return {kind: int(self.bytes[kind].sum()) for kind in KINDS}


def heap_map(view: HeapView, arena: int, pages: ResidentPages | None, most: int) -> HeapMap:
    """Return the map of an arena in about `most` cells, of a size that is a power of two; `pages` are those in memory
    (None: not known)."""
    stretches = [(region.start, region.end) for region in view.arenas[arena].regions if region.end > region.start]
    cell = _cell_size(sum(end - start for start, end in stretches), most)
    start, end, first = _cells(stretches, cell)
    table = view.table.take(view.table.arena == arena)
    edges = start, end
    live = _within(table, table.state == State.IN_USE, edges)
    free, free_held = _both(table, np.isin(table.state, [int(state) for state in FREE_STATES]), edges, pages)
    top, top_held = _both(table, table.state == State.TOP, edges, pages)
    other = (end - start).astype(np.int64) - live - free - top
    found = (live, free_held, free - free_held, top_held, top - top_held, np.maximum(other, 0))
    largest = _largest(view.table, arena, start, end)
    return HeapMap(arena, cell, start, end, first, dict(zip(KINDS, found)), largest, pages is not None)


def _cell_size(size: int, most: int) -> int:
    cell = _SMALLEST
    while size > cell * most:
        cell *= 2
    return cell


def _cells(
    stretches: list[tuple[int, int]], cell: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.bool_]]:
    """Return where each cell begins and ends, and which are the first of a stretch."""
    starts = [np.arange(start, end, cell, dtype=np.uint64) for start, end in stretches]
    ends = [np.minimum(each + np.uint64(cell), np.uint64(end)) for each, (_, end) in zip(starts, stretches)]
    first = [np.arange(len(each)) == 0 for each in starts]
    none = np.zeros(0, np.uint64)
    return np.concatenate((none, *starts)), np.concatenate((none, *ends)), np.concatenate((none.astype(bool), *first))


def _both(
    table: ChunkTable,
    mask: NDArray[np.bool_],
    edges: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    pages: ResidentPages | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many bytes of these chunks lie in each cell, and how many of them are in memory (all, where that is
    not known)."""
    all_of_it = _within(table, mask, edges)
    return all_of_it, all_of_it if pages is None else _within(table, mask, edges, pages)


def _within(
    table: ChunkTable,
    mask: NDArray[np.bool_],
    edges: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    pages: ResidentPages | None = None,
) -> NDArray[np.int64]:
    start, end = table.address[mask], (table.address + table.size)[mask]
    size = end - start if pages is None else pages.within(start, end)
    before = np.concatenate((np.zeros(1, np.uint64), np.cumsum(size, dtype=np.uint64)))

    def below(address: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the bytes of these chunks that lie below each address."""
        if not len(start):
            return np.zeros(len(address), np.int64)
        last = np.maximum(np.searchsorted(start, address, side="right") - 1, 0)
        low, high = np.minimum(start[last], address), np.minimum(end[last], address)
        part = high - low if pages is None else pages.within(low, high)
        return np.where(address > start[0], before[last] + part, np.uint64(0)).astype(np.int64)

    return below(edges[1]) - below(edges[0])


def _largest(table: ChunkTable, arena: int, start: NDArray[np.uint64], end: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of the largest block in use that begins in each cell, or else of the one that reaches into it."""
    largest = np.full(len(start), -1, np.int64)
    rows = np.flatnonzero((table.arena == arena) & (table.state == State.IN_USE))
    if not len(rows) or not len(start):
        return largest
    address, size = table.address[rows], table.size[rows]
    last = np.searchsorted(address, start, side="right") - 1
    reaches = (last >= 0) & (address[last] + size[last] > start)
    largest[reaches] = rows[last[reaches]]
    # Written in order of size, so that the largest of each cell stays.
    order = np.argsort(size, kind="stable")
    cell = np.searchsorted(start, address[order], side="right") - 1
    inside = (cell >= 0) & (address[order] < end[np.maximum(cell, 0)])
    largest[cell[inside]] = rows[order][inside]
    return largest
