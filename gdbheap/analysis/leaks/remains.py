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
from gdbheap.analysis.pointers.graph import PointerEdges
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reached:
    """Which blocks are reachable, and by what: `starts` are the graph's pointers to starts, `roots` those of the roots
    (with offset 0 too), `accepted` as in judge()."""

    graph: PointerEdges
    starts: Adjacency
    roots: InteriorPointers
    reachable: Mask
    accepted: Callable[[InteriorPointers], Mask]


def held_by_remains(reached: Reached, source_unwritten: Mask) -> Mask:
    """Return which of the reachable blocks would not be so without the words of blocks that begin unwritten."""
    graph, roots, reachable, accepted = reached.graph, reached.roots, reached.reachable, reached.accepted
    count = len(reachable)
    old = source_unwritten[graph.source] & reachable[graph.source]
    seeds = graph.target[old & (graph.offset == 0)]
    if not len(seeds):
        return np.zeros(count, np.bool_)
    doubted = _spread(reached.starts, seeds, within=reachable)
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
