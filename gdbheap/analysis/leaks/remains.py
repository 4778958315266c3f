"""Remains: old words in buffers that the program has taken and not written, which look like pointers and hold what
nobody holds.

memcheck knows which words were written; from outside only this is seen: malloc leaves its links in the first words
of a block that was free before, and where they still stand, nobody has written there. (calloc clears them. The rest
of such a block may be written all the same: a std::deque's map of blocks is filled from the middle. So this is a
doubt, and no verdict.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.interior import InteriorPointers
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.blocks import Blocks
from gdbheap.analysis.pointers.graph import PointerEdges
from gdbheap.analysis.pointers.reach import UNSEEN, spread
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
    row = np.searchsorted(table.address, link[places] - header)
    row = np.minimum(row, len(table) - 1)
    marked[places] = (table.address[row] == link[places] - header) & (table.size[row] == blocks.size[places])
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
        row = np.minimum(np.searchsorted(table.address, words), len(table) - 1)
        link: Mask = in_arena(words) | (table.address[row] == words)
        return link

    marked = in_arena(first) | in_arena(second) if len(arenas) else np.zeros(len(first), np.bool_)
    places = np.flatnonzero(marked)
    marked[places] = is_link(first[places]) & is_link(second[places])
    return marked


def held_by_remains(
    graph: PointerEdges,
    starts: Adjacency,
    roots: InteriorPointers,
    reachable: Mask,
    source_unwritten: Mask,
    accepted: Callable[[InteriorPointers], Mask],
) -> Mask:
    """Return which of the reachable blocks would not be so without the words of blocks that begin unwritten.

    `starts` are the graph's pointers to starts, `roots` those of the roots (with offset 0 too), `accepted` as in
    judge().
    """
    count = len(reachable)
    old = source_unwritten[graph.source] & reachable[graph.source]
    seeds = graph.target[old & (graph.offset == 0)]
    if not len(seeds):
        return np.zeros(count, np.bool_)
    doubted = _spread(starts, seeds, within=reachable)
    # What a root, or a block that is beyond doubt, points to is held after all, and all that hangs on it.
    onward = reachable[graph.source] & ~old & doubted[graph.target]
    good = onward & (graph.offset == 0)
    places = np.flatnonzero(onward & ~good)
    good[places[accepted(InteriorPointers(graph.target[places], graph.offset[places]))]] = True
    held = doubted[roots.target]
    target, offset = roots.target[held], roots.offset[held]
    inside = np.flatnonzero(offset != 0)
    sound = offset == 0
    sound[inside] = accepted(InteriorPointers(target[inside], offset[inside]))
    outside = good & ~doubted[graph.source]
    among = good & doubted[graph.source]
    sure = _spread(
        Adjacency(count, graph.source[among], graph.target[among]),
        np.concatenate((target[sound], graph.target[outside])),
        within=doubted,
    )
    return doubted & ~sure


def _spread(graph: Adjacency, seeds: NDArray[np.int32], within: Mask) -> Mask:
    """Return which blocks are seeds or reached from them, those outside of `within` never entered."""
    owner = np.where(within, np.int32(UNSEEN), np.int32(graph.count)).astype(np.int32)
    marked = np.zeros(graph.count, np.bool_)
    marked[seeds] = True
    front = np.flatnonzero(marked & within).astype(np.int32)
    owner[front] = 0
    spread(graph, front, owner)
    reached: Mask = owner == 0
    return reached
