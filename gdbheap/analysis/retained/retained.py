"""What each root and each block keeps alive: the bytes and blocks that could not be reached without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.retained.dominators import DominatorTree, dominator_tree
from gdbheap.analysis.retained.kept_roots import kept_roots, register_targets
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

Step = Callable[[int], None]


@dataclass(frozen=True)
class Retained:
    """The dominator tree over the blocks (nodes 0 to `blocks` - 1, as in PointerGraph.blocks), the root groups (behind
    them) and a root above all (the last).

    `bytes` and `count` of each node: the chunks, headers included, and the blocks that would be lost without it, itself
    among them. What only several groups together hold lies right below the root. `source` and `target` are all edges
    but those from the root to the groups.
    """

    held: PointerGraph
    groups: RootGroups
    tree: DominatorTree
    bytes: NDArray[np.int64]
    count: NDArray[np.int64]
    source: Nodes
    target: Nodes
    interrupted: bool = False

    @property
    def blocks(self) -> int:
        return len(self.held.blocks)

    @property
    def root(self) -> int:
        return self.tree.root

    def children(self, node: int) -> Nodes:
        """Return the nodes right below a node, those that retain most first."""
        below = np.flatnonzero(self.tree.parent == node)
        order: Nodes = below[np.lexsort((below, -self.bytes[below]))].astype(np.int32)
        return order


def retain(held: PointerGraph, groups: RootGroups, dead: NDArray[np.bool_], step: Step | None = None) -> Retained:
    """Return what everything retains. Edges that are `dead` hold nothing."""
    count, root = len(held.blocks), len(held.blocks) + len(groups)
    source, target = held.graph.source, held.graph.target
    if dead.any():
        source, target = source[~dead], target[~dead]
    words, registers = kept_roots(held, groups, Adjacency(count, source, target))
    source = np.concatenate((source, count + groups.of_word[words], count + groups.of_register[registers]))
    target = np.concatenate((target, held.from_roots.target[words], register_targets(held)[registers]))
    holders = np.arange(count, root, dtype=np.int32)
    top = np.full(len(holders), root, np.int32)
    tree = dominator_tree(root + 1, np.concatenate((source, top)), np.concatenate((target, holders)), root, step)
    size, one = np.zeros(root + 1, np.int64), np.zeros(root + 1, np.int64)
    size[:count], one[:count] = held.blocks.size, 1
    return Retained(held, groups, tree, tree.below(size), tree.below(one), source, target)
