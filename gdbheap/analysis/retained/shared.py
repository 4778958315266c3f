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


@dataclass(frozen=True)
class SharedGroup:
    """Blocks right below a node that the same `holders` (nodes of the tree) lead to, and, `others`, some that are not
    told apart: `nodes`, those that retain most first."""

    holders: tuple[int, ...]
    others: bool
    nodes: Nodes
    bytes: int
    count: int


def shared_groups(retained: Retained, node: int) -> list[SharedGroup]:
    """Return what the holders right below a node (below the root: variables; else parts of the node) share, the largest
    group first."""
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
    groups = []
    for bits in np.unique(mask).tolist():
        nodes = shared[mask == bits]
        nodes = nodes[np.argsort(-retained.bytes[nodes], kind="stable")]
        holders = tuple(holder for bit, holder in enumerate(told) if bits >> bit & 1)
        sums = (int(column[nodes].sum()) for column in (retained.bytes, retained.count))
        groups.append(SharedGroup(holders, bool(bits >> len(told) & 1), nodes, *sums))
    return sorted(groups, key=lambda group: -group.bytes)


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
