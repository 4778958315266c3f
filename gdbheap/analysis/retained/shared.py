"""What several holders keep alive together, none of them alone: which of them, and who is the likeliest owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.analysis.retained.likely_owner import likely_owner
from gdbheap.analysis.retained.linked_together import NONE, linked_together
from gdbheap.analysis.retained.nearest_of_several import cost_of, nearest_mask
from gdbheap.analysis.retained.one_way_rows import goes_on
from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import codes_of, distinct, firsts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

# So many holders are told apart; what others hold is counted as theirs together.
MOST_TOLD = 12
# What retains so much of all is told apart.
_LARGE = 0.01
# Of so many of the blocks it is told who points to them.
_FEW = 16


@dataclass(frozen=True)
class SharedGroup:
    """Blocks right below a node that the same `holders` (nodes of the tree) lead to, and, `others`, some that are not
    told apart: `nodes`, those that retain most first. Of what hangs together and is large enough to be told apart,
    `direct` are the holders that point to the largest, the others lead there over more. `owner` is the holder that is
    nearest to most of it (None: no one is).
    """

    holders: tuple[int, ...]
    others: bool
    nodes: Nodes
    bytes: int
    count: int
    direct: tuple[int, ...] = ()
    owner: int | None = None


def shared_groups(retained: Retained, node: int) -> list[SharedGroup]:
    """Return what the holders right below a node (below the root: variables; else parts of the node) share, the largest
    group first; what hangs together (a ring, a list) and retains a good part of all is a group of its own."""
    tops = retained.children(node)
    shared = np.sort(tops[tops < retained.blocks])
    if not len(shared) or len(shared) == len(tops):
        return []
    edges = _edges_between(retained, tops, shared)
    from_holder = edges.source >= retained.blocks
    weight = np.bincount(edges.source[from_holder], retained.bytes[shared][edges.target[from_holder]], retained.root)
    most = np.argsort(-weight, kind="stable")[:MOST_TOLD]
    told = most[weight[most] > 0].tolist()
    bits = np.full(retained.root, 1 << len(told), np.int64)
    bits[told] = 1 << np.arange(len(told))
    among = np.flatnonzero(~from_holder)
    place = np.searchsorted(shared, edges.source[among])
    order = np.argsort(place, kind="stable")
    among = among[order]
    graph = Adjacency(len(shared), place[order], edges.target[among])
    first = edges.target[from_holder], bits[edges.source[from_holder]]
    nearest = nearest_mask((*first, edges.cost[from_holder]), graph, edges.cost[among])
    mask = _who_leads(graph, *first, len(told))
    rows = edges.goes_on[among]
    onward = Adjacency(len(shared), place[order][rows], edges.target[among][rows])
    own, led = edges.is_own[from_holder], edges.goes_on[from_holder]
    in_row = np.zeros(len(shared), np.bool_)
    in_row[edges.target[edges.goes_on]] = True
    leading = np.zeros(len(shared), np.int64)
    np.bitwise_or.at(leading, first[0][led], first[1][led])
    nearest[in_row] |= _who_leads(onward, first[0][own | led], first[1][own | led], len(told))[in_row]
    least = max(_LARGE * int(retained.bytes[retained.root]), 1)
    alone = linked_together(retained.bytes[shared], mask, place[order], edges.target[among], int(least))
    groups = []
    each = firsts_of(codes_of(mask, alone))
    for which, one in zip(mask[each].tolist(), alone[each].tolist()):
        chosen = np.flatnonzero((mask == which) & (alone == one))
        nodes = shared[chosen]
        holders = tuple(holder for bit, holder in enumerate(told) if which >> bit & 1)
        owner = likely_owner(retained, holders, nodes, (nearest[chosen], leading[chosen]), told)
        nodes = nodes[np.argsort(-retained.bytes[nodes], kind="stable")]
        direct = _direct(retained, nodes[:_FEW]) if one != NONE or not holders else ()
        size, count = (int(column[nodes].sum()) for column in (retained.bytes, retained.count))
        groups.append(SharedGroup(holders, bool(which >> len(told) & 1), nodes, size, count, direct, owner))
    return sorted(groups, key=lambda group: -group.bytes)


def _who_leads(graph: Adjacency, target: NDArray[np.intp], bits: NDArray[np.int64], told: int) -> NDArray[np.int64]:
    """Return for each node of the graph the bits of all holders that lead to it; they begin at these targets."""
    mask = np.zeros(graph.count, np.int64)
    for bit in range(told + 1):
        owner = np.full(graph.count, UNSEEN, np.int32)
        front = distinct(target[bits == 1 << bit]).astype(np.int32)
        owner[front] = 0
        spread(graph, front, owner)
        mask |= (owner != UNSEEN).astype(np.int64) << bit
    return mask


def _direct(retained: Retained, nodes: Nodes) -> tuple[int, ...]:
    """Return the variables, and members of such, that point to one of these blocks."""
    sources = distinct(retained.source[np.isin(retained.target, nodes)])
    is_root = sources >= retained.blocks
    parts = sources >= retained.holders
    is_root[parts] = retained.parts.owner[sources[parts] - retained.holders] >= retained.blocks
    return tuple(sources[is_root].tolist())


@dataclass(frozen=True)
class _Edges:
    """Edges to shared blocks: from whose part of the tree (which of the tops) each comes, the index of its target among
    the shared, what that step `cost`s, whether it begins in the holder's own words, and whether it `goes_on` in a row
    of blocks of one kind."""

    source: Nodes
    target: NDArray[np.intp]
    cost: NDArray[np.int8]
    is_own: NDArray[np.bool_]
    goes_on: NDArray[np.bool_]


def _edges_between(retained: Retained, tops: Nodes, shared: Nodes) -> _Edges:
    """Return the edges between what lies below different ones of the `tops`, to `shared` ones, which ascend."""
    tree = retained.tree
    index = np.full(retained.root, -1, np.int32)
    index[shared] = np.arange(len(shared), dtype=np.int32)
    in_order = tops[np.argsort(tree.position[tops])]
    first = int(tree.position[in_order[0]])
    end = int(tree.position[in_order[-1]]) + int(tree.count[in_order[-1]])
    place = tree.position[retained.source]
    led = (index[retained.target] >= 0) & (tree.count[retained.source] > 0) & (place >= first) & (place < end)
    source, target = retained.source[led], index[retained.target[led]]
    part = in_order[np.searchsorted(tree.position[in_order], tree.position[source], side="right") - 1]
    apart = part != shared[target]
    source, part = source[apart], part[apart]
    is_own = source == part
    members = np.flatnonzero(source >= retained.holders)
    is_own[members] |= retained.parts.owner[source[members] - retained.holders] == part[members]
    cost = cost_of(retained.offset[led][apart], is_own)
    return _Edges(part, target[apart].astype(np.intp), cost, is_own, goes_on(retained, source, shared[target[apart]]))
