"""Immediate dominators of a graph, node by node: depth first, then semi-dominators (Lengauer and Tarjan 1979).

All that needs no order is done in numpy; the plain loops go over each node once, to number it, and then over those
alone that are entered other than from above: crosswise, or from a node that comes later. Ways are compressed, so that
deep graphs and rings end as soon as wide ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

UNREACHED = -1
Step = Callable[[int], None]
# The progress is told of once for so many nodes.
_OFTEN = 1 << 16


def number_depth_first(graph: Adjacency, root: int, step: Step | None = None) -> tuple[Nodes, Nodes]:
    """Return the nodes that can be reached from the root in the order of a depth-first search, and for each the number
    (its place in that order) of the one it was found from (the root's own: 0)."""
    number = np.full(graph.count, UNREACHED, np.int32).data
    begin, target = graph.begin.astype(np.int32).data, graph.target.data
    order, parent = [root], [0]
    number[root] = 0
    here, place, end = 0, begin[root], begin[root + 1]
    # Nodes with more to look at, and where each goes on. (Plain ints: a stack of iterators would be gone over again
    # and again by the collector of garbage.)
    waiting: list[int] = []
    onward: list[int] = []
    while True:
        while place < end:
            node = target[place]
            place += 1
            if number[node] == UNREACHED:
                if place < end:
                    waiting.append(here)
                    onward.append(place)
                number[node] = found = len(order)
                order.append(node)
                parent.append(here)
                here, place, end = found, begin[node], begin[node + 1]
                if step and not found & _OFTEN - 1:
                    step(found)
        if not waiting:
            return np.array(order, np.int32), np.array(parent, np.int32)
        here, place = waiting.pop(), onward.pop()
        end = begin[order[here] + 1]


def immediate_dominators(parent: Nodes, source: Nodes, target: Nodes, step: Step | None = None) -> Nodes:
    """Return the immediate dominator of each node (the root's own: 0). Nodes are the numbers of a depth-first search,
    `parent` the tree of it, and the edges go from `source` to `target`."""
    semi = parent.copy()
    higher = np.flatnonzero(source < parent[target])
    np.minimum.at(semi, target[higher], source[higher])
    crossing = np.flatnonzero((source > target) & (target > 0))
    crossing = crossing[np.argsort(target[crossing], kind="stable")]
    if not len(crossing) and np.array_equal(semi, parent):
        return parent
    forest = _Forest(parent.tolist(), semi.tolist())
    begin = np.searchsorted(target[crossing], np.arange(len(parent) + 1))
    forest.settle(source[crossing].tolist(), begin.tolist(), step)
    return np.array(forest.dominators(), np.int32)


class _Forest:
    """The tree of the search, as far as it has been gone over: from the last node to the first. `semi` has the
    semi-dominator of each, of those still to come the least node that leads there from above.

    `_label[node]` is the node of the least semi-dominator among `node` and what is above it, below `_above[node]`.
    """

    def __init__(self, parent: list[int], semi: list[int]) -> None:
        self._parent = parent
        self._semi = semi
        self._above = parent.copy()
        self._label = list(range(len(parent)))
        self._found = parent.copy()

    def settle(self, source: list[int], begin: list[int], step: Step | None) -> None:
        """Find all semi-dominators. The nodes source[begin[n] : begin[n + 1]] come later than n and lead to it."""
        parent, semi, above, label, found = self._parent, self._semi, self._above, self._label, self._found
        count = len(parent)
        # A list by semi-dominator of the nodes that wait until all below that is known.
        first, following = [0] * count, [0] * count
        for node in range(count - 1, -1, -1):
            waits = first[node]
            while waits:
                least = label[waits] if above[waits] <= node else self._least_above(waits, node)
                found[waits] = least if semi[least] < node else node
                waits = following[waits]
            lowest = semi[node]
            for place in range(begin[node], begin[node + 1]):
                other = source[place]
                least = semi[label[other] if above[other] <= node else self._least_above(other, node)]
                if least < lowest:
                    lowest = least
            if lowest != parent[node]:
                semi[node] = lowest
                following[node] = first[lowest]
                first[lowest] = node
            if step and not node % _OFTEN:
                step(node)

    def _least_above(self, node: int, bound: int) -> int:
        """Return the node of the least semi-dominator among `node` and those above it behind `bound`; what is gone
        through is made shorter for the next."""
        above, label, semi = self._above, self._label, self._semi
        way = []
        while above[node] > bound:
            way.append(node)
            node = above[node]
        top, least = above[node], label[node]
        for node in reversed(way):
            mine = label[node]
            if semi[least] < semi[mine]:
                label[node] = least
            else:
                least = mine
            above[node] = top
        return least

    def dominators(self) -> list[int]:
        """Return the immediate dominators, once all is settled."""
        found = self._found
        for node, lowest in enumerate(self._semi):
            if found[node] != lowest:
                found[node] = found[found[node]]
        return found
