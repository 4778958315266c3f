"""What several holders keep alive together, none of them alone: which of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

# So many holders are told apart; what others hold is counted as theirs together.
MOST_TOLD = 12
# A block that retains so much of all is told apart.
_LARGE = 0.01


@dataclass(frozen=True)
class SharedGroup:
    """Blocks right below a node that the same `holders` (nodes of the tree) lead to, and, `others`, some that are not
    told apart: `nodes`, those that retain most first. Of one block alone, large enough to be told apart, `direct` are
    the holders that point to it, the others lead there over more."""

    holders: tuple[int, ...]
    others: bool
    nodes: Nodes
    bytes: int
    count: int
    direct: tuple[int, ...] = ()


def shared_groups(retained: Retained, node: int) -> list[SharedGroup]:
    """Return what the holders right below a node (below the root: variables; else parts of the node) share, the largest
    group first; blocks that retain a good part of all are groups of their own."""
    tops = retained.children(node)
    shared = np.sort(tops[tops < retained.blocks])
    if not len(shared) or len(shared) == len(tops):
        return []
    source, target = _edges_between(retained, tops, shared)
    from_holder = source >= retained.blocks
    weight = np.bincount(source[from_holder], retained.bytes[shared][target[from_holder]], retained.root)
    told = np.argsort(-weight, kind="stable")[:MOST_TOLD]
    told = told[weight[told] > 0].tolist()
    among = ~from_holder
    graph = Adjacency.unsorted(len(shared), np.searchsorted(shared, source[among]), target[among])
    mask = np.zeros(len(shared), np.int64)
    others = from_holder & ~np.isin(source, told)
    for bit, chosen in enumerate([*(source == holder for holder in told), others]):
        owner = np.full(len(shared), UNSEEN, np.int32)
        front = np.unique(target[chosen]).astype(np.int32)
        owner[front] = 0
        spread(graph, front, owner)
        mask |= (owner != UNSEEN).astype(np.int64) << bit
    large = retained.bytes[shared] >= max(_LARGE * int(retained.bytes[retained.root]), 1)
    alone = np.where(large, np.arange(len(shared)), -1)
    groups = []
    for bits, one in np.unique(np.stack((mask, alone), axis=1), axis=0).tolist():
        nodes = shared[(mask == bits) & (alone == one)]
        nodes = nodes[np.argsort(-retained.bytes[nodes], kind="stable")]
        holders = tuple(holder for bit, holder in enumerate(told) if bits >> bit & 1)
        size, count = (int(column[nodes].sum()) for column in (retained.bytes, retained.count))
        direct = _direct(retained, int(nodes[0])) if one >= 0 else ()
        groups.append(SharedGroup(holders, bool(bits >> len(told) & 1), nodes, size, count, direct))
    return sorted(groups, key=lambda group: -group.bytes)


def _direct(retained: Retained, node: int) -> tuple[int, ...]:
    """Return the variables, and members of such, that point to a block."""
    sources = np.unique(retained.source[retained.target == node])
    is_root = sources >= retained.blocks
    parts = sources >= retained.holders
    is_root[parts] = retained.parts.owner[sources[parts] - retained.holders] >= retained.blocks
    return tuple(sources[is_root].tolist())


def _edges_between(retained: Retained, tops: Nodes, shared: Nodes) -> tuple[Nodes, NDArray[np.intp]]:
    """Return the edges to shared blocks: from whose part of the tree (which of the `tops`) each comes, and the index of
    its target in `shared`, which ascends."""
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
    return part[apart], target[apart].astype(np.intp)
