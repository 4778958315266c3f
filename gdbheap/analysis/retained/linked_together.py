"""Which of the blocks that the same holders share hang together: the pieces of a ring, a list, a tree with threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.int64]

NONE = -1
# From so many of the largest blocks it is looked what hangs together with them.
_MOST = 256


def linked_together(
    size: Columns, mask: Columns, source: NDArray[np.intp], target: NDArray[np.intp], least: int
) -> Columns:
    """Return a number for each node, the same for those that edges join (either way, over nodes of the same mask) and
    that have so much together at least; NONE for the rest."""
    within = mask[source] == mask[target]
    source, target = source[within], target[within]
    graph = Adjacency.unsorted(len(size), np.concatenate((source, target)), np.concatenate((target, source)))
    owner = np.full(len(size), UNSEEN, np.int32)
    for node in np.argsort(-size, kind="stable")[:_MOST].tolist():
        if owner[node] == UNSEEN:
            owner[node] = node
            if graph.leads[node]:
                spread(graph, np.array([node], np.int32), owner)
    found = owner.astype(np.int64)
    known = found != UNSEEN
    sums = np.bincount(found[known], size[known], len(size))
    found[known & (sums[np.maximum(found, 0)] < least)] = NONE
    return found
