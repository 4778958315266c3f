"""Which block of a lost cycle stands for it: the one that owns the others, by how they point at each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.graph import PointerEdges


def lead_by_owners(graph: PointerEdges, size: NDArray[np.uint64], owner: NDArray[np.int32]) -> None:
    """Give each cycle among lost blocks, which the lowest of it leads in `owner`, the leader that owns the others;
    `owner` is UNSEEN for no block, and no block's own number for those that are not lost.

    The nodes of a tree or list point at each other's starts, but at the header that lies inside their owner: it is the
    block whose start nothing in the cycle points to; or else of a size that fewer in the cycle have; or else the
    lowest.
    """
    source, target = graph.source, graph.target
    count = len(owner)
    leads = (owner[target] == target) & (owner[source] == target) & (source != target)
    heads = np.flatnonzero(np.bincount(target[leads], minlength=count)).astype(np.int32)
    if not len(heads):
        return
    is_led = np.zeros(count + 1, np.bool_)
    is_led[heads] = True
    within = (owner[source] == owner[target]) & is_led[owner[source]] & (source != target)
    source, target, offset = source[within], target[within], graph.offset[within]
    cycle = np.full(count, UNSEEN, np.int32)
    cycle[heads] = heads
    spread(Adjacency.unsorted(count, target, source), heads, cycle)
    is_hit = np.zeros(count, np.bool_)
    is_hit[target[(cycle[source] != UNSEEN) & (offset == 0)]] = True
    nodes = np.flatnonzero(cycle != UNSEEN).astype(np.int32)
    order = np.lexsort((nodes, _alike(cycle[nodes], size[nodes]), is_hit[nodes], cycle[nodes]))
    nodes = nodes[order]
    first = np.flatnonzero(np.diff(cycle[nodes], prepend=-1))
    leader = np.arange(count + 1, dtype=np.int32)
    leader[cycle[nodes[first]]] = nodes[first]
    is_led[count] = False
    led = is_led[owner]
    owner[led] = leader[owner[led]]


def _alike(cycle: NDArray[np.int32], size: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Return for each node how many of its cycle have its size."""
    order = np.lexsort((size, cycle))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (np.diff(cycle[order]) != 0) | (np.diff(size[order]) != 0)
    run = np.cumsum(is_new) - 1
    alike = np.empty(len(order), np.intp)
    alike[order] = np.bincount(run)[run]
    return alike
