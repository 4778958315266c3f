"""What malloc leaves in the first words of a block that was free before: where it still stands, nobody has written
there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]


def unwritten(view: HeapView, blocks: Blocks, head: Words) -> Mask:
    """Return which blocks begin with the words that malloc leaves in a free chunk; `head` has the first words of every
    block.

    Before glibc 2.32 a tcache's links are plain pointers, like the program's own: they are not told apart, and no
    block is marked by them.
    """
    first, second = head[:, 0].astype(np.uint64, copy=False), head[:, 1].astype(np.uint64, copy=False)
    marked = _left_by_bins(view, first, second)
    if view.layout.safe_linking:
        marked |= _left_by_tcache(view, blocks, first, second)
    return marked


def _left_by_tcache(view: HeapView, blocks: Blocks, first: Words, second: Words) -> Mask:
    """tcache_get() leaves the mangled link in the first word (PROTECT_PTR: glibc 2.32) and clears the key, the
    second."""
    link = first ^ blocks.start >> np.uint64(12)  # PROTECT_PTR shifts by a page
    marked: Mask = (second == 0) & (first != 0)
    places = np.flatnonzero(marked & (link != 0))
    table, header = view.table, np.uint64(view.layout.header)
    # The next chunk of that list: one of the same size, wherever it is now.
    row = table.rows_of(link[places] - header)
    marked[places] = (row >= 0) & (table.size[row] == blocks.size[places])
    return marked


def _left_by_bins(view: HeapView, first: Words, second: Words) -> Mask:
    """fd and bk, of which at least one points into the arena: the program has no pointers there."""
    arenas = np.array(sorted(arena.address for arena in view.arenas), np.uint64)
    size = np.uint64(view.layout.malloc_state.size)
    table = view.table

    def in_arena(words: Words) -> Mask:
        nearest = np.searchsorted(arenas, words, side="right") - 1
        inside: Mask = (nearest >= 0) & (words - arenas[nearest] < size)
        return inside

    def is_link(words: Words) -> Mask:
        link: Mask = in_arena(words) | (table.rows_of(words) >= 0)
        return link

    marked = in_arena(first) | in_arena(second) if len(arenas) else np.zeros(len(first), np.bool_)
    places = np.flatnonzero(marked)
    marked[places] = is_link(first[places]) & is_link(second[places])
    return marked
