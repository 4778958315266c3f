"""Immediate dominators of a graph with long rows of nodes in it: lists, rings. A row is one node while they are found.

In a one-way row each node leads to the next alone, which nobody else leads to. In a two-way row each node leads to both
neighbours, and only they lead to it. Who is below whom in a row follows from what is found for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.retained.chain_pieces import NONE, rows_in_order
from gdbheap.analysis.retained.semi_dominators import immediate_dominators, number_depth_first
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]
    Counts = NDArray[np.int64]

Step = Callable[[int], None]
# Fewer nodes in rows than this, or shorter rows on average, cost more than they save.
_FEWEST = 1 << 12
_SHORTEST = 8


@dataclass(frozen=True)
class NodeRows:
    """Rows of one kind: their nodes, row by row, row n from begin[n] to begin[n + 1]; of a two-way row the neighbours
    `before` its first and `behind` its last node."""

    nodes: Nodes
    begin: Counts
    is_two_way: bool
    before: Nodes
    behind: Nodes


def core_dominators(
    count: int, source: Nodes, target: Nodes, root: int, step: Step | None = None
) -> tuple[Nodes, Nodes]:
    """Return the nodes that can be reached from the root, those above first, and for each the place among these of its
    immediate dominator (the root's own: 0). No edge leads to the root, none from a node to itself."""
    packed = source.astype(np.int64) << 32 | target
    packed.sort()
    packed = packed[np.diff(packed, prepend=NONE) != 0]
    source, target = (packed >> 32).astype(np.int32), (packed & 0xFFFF_FFFF).astype(np.int32)
    several = [*_one_way(count, source, target), *_two_way(count, source, target)]
    stands_for = np.arange(count, dtype=np.int32)
    for rows in several:
        stands_for[rows.nodes] = np.repeat(rows.nodes[rows.begin[:-1]], np.diff(rows.begin))
    if several:
        source, target = stands_for[source], stands_for[target]
        apart = source != target
        source, target = source[apart], target[apart]
    core, found_from = number_depth_first(Adjacency.unsorted(count, source, target), stands_for[root], step)
    number = np.full(count, NONE, np.int32)
    number[core] = np.arange(len(core), dtype=np.int32)
    known = number[source] != NONE
    dominator = immediate_dominators(found_from, number[source[known]], number[target[known]], step)
    return _Expanded(core, dominator, number).with_rows(several) if several else (core, dominator)


def _one_way(count: int, source: Nodes, target: Nodes) -> list[NodeRows]:
    """Return the one-way rows, each from its first node on."""
    leads, led = (np.bincount(nodes, minlength=count) for nodes in (source, target))
    links = (leads[source] == 1) & (led[target] == 1)
    first, then = source[links], target[links]
    if len(first) < max(_FEWEST, 1):
        return []
    previous, following = np.full((2, count), NONE, np.int32)
    previous[then], following[first] = first, then
    nodes = np.flatnonzero((previous != NONE) | (following != NONE)).astype(np.int32)
    ends = np.count_nonzero(previous[nodes] == NONE)
    if len(nodes) < _SHORTEST * ends:
        return []
    nodes, begin = rows_in_order(previous, following, nodes)
    begin = np.append(begin, len(nodes))
    nodes = _turned(nodes, begin, previous[nodes[begin[:-1]]] != NONE)
    return [NodeRows(nodes, begin, False, nodes[:0], nodes[:0])]


def _two_way(count: int, source: Nodes, target: Nodes) -> list[NodeRows]:
    """Return the two-way rows."""
    leads, led = (np.bincount(nodes, minlength=count) for nodes in (source, target))
    nodes = np.flatnonzero((leads == 2) & (led == 2)).astype(np.int32)
    if len(nodes) < max(_FEWEST, 1):
        return []
    order = np.argsort(target, kind="stable")
    to, from_ = np.searchsorted(source, nodes), np.searchsorted(target[order], nodes)
    one, other = target[to], target[to + 1]
    same = (one == source[order[from_]]) & (other == source[order[from_ + 1]])
    nodes, one, other = nodes[same], one[same], other[same]
    first, second = np.full((2, count), NONE, np.int32)
    first[nodes], second[nodes] = one, other
    inside = np.zeros(count, np.bool_)
    inside[nodes] = True
    ends = np.count_nonzero(~(inside[one] & inside[other]))
    if len(nodes) < max(_FEWEST, _SHORTEST * ends // 2, 1):
        return []
    nodes, begin = rows_in_order(first, second, nodes)
    begin = np.append(begin, len(nodes))
    head, last = nodes[begin[:-1]], nodes[begin[1:] - 1]
    before = np.where(inside[first[head]], second[head], first[head])
    behind = np.where(inside[second[last]], first[last], second[last])
    # A row of one node has both neighbours outside.
    behind = np.where(head == last, second[last], behind)
    return [NodeRows(nodes, begin, True, before, behind)]


def _turned(nodes: Nodes, begin: Counts, turned: NDArray[np.bool_]) -> Nodes:
    """Return the nodes with these rows the other way round."""
    size = np.diff(begin)
    at = np.arange(len(nodes))
    ends = np.repeat(begin[:-1] + begin[1:] - 1, size)
    return nodes[np.where(np.repeat(turned, size), ends - at, at)]


class _Expanded:
    """What is found for the graph with rows as single nodes, made that for all nodes."""

    def __init__(self, core: Nodes, dominator: Nodes, number: Nodes) -> None:
        self._core, self._dominator, self._number = core, dominator, number

    def with_rows(self, several: list[NodeRows]) -> tuple[Nodes, Nodes]:
        """Return the nodes and dominators of all."""
        size = np.ones(len(self._core), np.int64)
        # Where the nodes of each begin in all rows' nodes, and then the core's.
        every, begin = [], np.arange(len(self._core), dtype=np.int64) + sum(len(rows.nodes) for rows in several)
        is_flat = np.zeros(len(self._core), np.bool_)
        done = 0
        for rows in several:
            at = self._number[rows.nodes[rows.begin[:-1]]]
            onward, backward = self._ways(rows, at)
            every.append(_turned(rows.nodes, rows.begin, backward & ~onward))
            size[at], begin[at] = np.diff(rows.begin), rows.begin[:-1] + done
            is_flat[at] = rows.is_two_way & ~onward & ~backward
            done += len(rows.nodes)
        first = np.cumsum(size) - size
        place = np.repeat(begin - first, size) + np.arange(int(size.sum()))
        above = first[self._dominator] + size[self._dominator] - 1
        above[0] = 0
        dominator = np.repeat(above, size)
        within = np.arange(len(dominator)) != np.repeat(first, size)
        deeper = np.flatnonzero(within & ~np.repeat(is_flat, size))
        dominator[deeper] = deeper - 1
        return np.concatenate((*every, self._core))[place], dominator.astype(np.int32)

    def _ways(self, rows: NodeRows, at: Nodes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows are gone through from the first node to the last alone, and which the other way; neither
        where they are entered at both ends."""
        if not rows.is_two_way:
            return np.ones(len(at), np.bool_), np.zeros(len(at), np.bool_)
        behind, before = (self._dominator[self._number[end]] == at for end in (rows.behind, rows.before))
        return behind, before
