"""Edges back to who must be passed anyhow: of a tree's nodes to their parents, of sessions to their server; and other
ways to what such a one points to itself: of the sessions' list through their table.

Without them nothing has another dominator, and most cores fall apart into layers of nodes that lead nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

# Twice as far up each time; what hangs deeper may be found once what is below is gone.
_JUMPS = 6
# What so many of the edges lead to is looked at by itself, as many nodes at most.
_MUCH = 1 / 16
_MOST_HUBS = 3


class BackEdges:
    """Finds them, again and again, as the graph gets smaller. One for each graph: it holds the working space."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._up = np.arange(count, dtype=np.int32)

    def find(self, source: Nodes, target: Nodes) -> NDArray[np.bool_]:
        """Return which of the edges lead back to a node that every way to their source goes over: as far as that is
        plain, since each node on the way up is entered from one node alone."""
        degree = np.bincount(target, minlength=self._count)
        only = np.flatnonzero(degree[target] == 1)
        nodes, up = target[only], self._up
        up[nodes] = source[only]
        top = source[only]
        for _ in range(_JUMPS):
            up[nodes] = top = up[top]
        found: NDArray[np.bool_] = (up[source] == target) & (source != target)
        up[nodes] = nodes
        return found

    def find_by_hubs(self, source: Nodes, target: Nodes, root: int) -> NDArray[np.bool_]:
        """Return which of the edges are of no account because of one of the nodes that most edges lead to or come from,
        for what cannot be reached without that: those that lead back to it, and other ways to what it points to."""
        found = np.zeros(len(source), np.bool_)
        hubs = self._hubs(source) | self._hubs(target)
        graph = Adjacency.unsorted(self._count, source, target) if hubs else None
        for hub in sorted(hubs):
            assert graph is not None
            owner = np.full(self._count, UNSEEN, np.int32)
            owner[[root, hub]] = root
            if hub != root:
                spread(graph, np.array([root], np.int32), owner)
            is_below = owner == UNSEEN
            found |= (target == hub) & is_below[source]
            is_child = np.zeros(self._count, np.bool_)
            is_child[target[source == hub]] = True
            found |= is_child[target] & is_below[target] & (source != hub)
        return found

    def _hubs(self, ends: Nodes) -> set[int]:
        degree = np.bincount(ends, minlength=self._count)
        most = np.argsort(degree)[-_MOST_HUBS:]
        return set(most[degree[most] > len(ends) * _MUCH].tolist())
