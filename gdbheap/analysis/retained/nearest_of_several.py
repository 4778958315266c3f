"""Who of several holders is nearest to what they share: by the cheapest way, which one may take for the owner's.

A variable of a program's own points to the start of what it has; what refers back to it (a client to its database, a
timer to its connection) comes over other blocks, or to the middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32] | NDArray[np.intp]

# A step costs so much; more if it leads into a block: near its start (past a header, to a base class), or further in;
# and more again if it begins in a block that only the holder leads to, not in its own words.
_STEP, _NEAR, _INSIDE, _OVER_OTHERS = 2, 1, 2, 2
_HEADER = 128
# No way that costs more is told from another.
_DEAREST = 128
_NOBODY = 0


def cost_of(offset: NDArray[np.uint32], is_own: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Return what steps cost that lead to these offsets in blocks; `is_own`: they begin in the holder's own words."""
    cost: NDArray[np.int8] = np.full(len(offset), _STEP, np.int8)
    cost[offset > 0] += np.int8(_NEAR)
    cost[offset > _HEADER] += np.int8(_INSIDE - _NEAR)
    cost[~is_own] += np.int8(_OVER_OTHERS)
    return cost


def nearest_mask(
    first: tuple[Nodes, NDArray[np.int64], NDArray[np.int8]], graph: Adjacency, cost: NDArray[np.int8]
) -> NDArray[np.int64]:
    """Return for each node the bits of the holders with the cheapest way to it (several at the same cost), none where
    each is too long. `first` are the nodes that holders lead to, the bit of each, and what that step costs; `cost` is
    of the graph's edges, in its order."""
    mask = np.zeros(graph.count, np.int64)
    waiting: dict[int, list[tuple[Nodes, NDArray[np.int64]]]] = {}

    def put(now: int, nodes: Nodes, bits: NDArray[np.int64], dear: NDArray[np.int8]) -> None:
        for step in distinct(dear).tolist():
            chosen = dear == step
            waiting.setdefault(now + step, []).append((nodes[chosen], bits[chosen]))

    put(0, *first)
    for now in range(_DEAREST):
        pieces = waiting.pop(now, [])
        if not pieces:
            if not waiting:
                break
            continue
        nodes, bits = (np.concatenate(column) for column in zip(*pieces))
        fresh = mask[nodes] == _NOBODY
        nodes, bits = nodes[fresh], bits[fresh]
        np.bitwise_or.at(mask, nodes, bits)
        front = distinct(nodes)
        begin = graph.begin[front]
        count = graph.begin[front + 1] - begin
        edge = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        put(now, graph.target[edge], np.repeat(mask[front], count), cost[edge])
    return mask
