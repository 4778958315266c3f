"""What each root and each block keeps alive: the bytes and blocks that could not be reached without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.retained.dominators import DominatorTree, RootedGraph, dominator_tree
from gdbheap.analysis.retained.kept_roots import kept_roots, register_targets
from gdbheap.analysis.retained.parts import Parts, find_parts
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.analysis.types.block_types import BlockTypes
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

# A block that retains so much of what its holder does stands for that.
_NEARLY_ALL = 0.9
_MOST_STEPS = 8
Step = Callable[[int], None]


@dataclass(frozen=True)
class Retained:
    """The dominator tree over the blocks (nodes 0 to `blocks` - 1, as in PointerGraph.blocks), the root groups (behind
    them, to `holders` - 1), the parts of both (to `root` - 1), and a root above all.

    `bytes` and `count` of each node: the chunks, headers included, and the blocks that would be lost without it, itself
    among them. What only several groups together hold lies right below the root, what only several parts hold below
    their owner. `source` and `target` are all edges but those from the root, `offset` is where in its target each leads
    (from an owner to its part: 0). `kind` has the type of each block (-1 unknown).
    """

    held: PointerGraph
    groups: RootGroups
    parts: Parts
    tree: DominatorTree
    bytes: NDArray[np.int64]
    count: NDArray[np.int64]
    source: Nodes
    target: Nodes
    offset: NDArray[np.uint32]
    kind: Nodes

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut the search for dominators short: then everything retains at least what is told."""
        return self.tree.interrupted

    @property
    def blocks(self) -> int:
        return len(self.held.blocks)

    @property
    def holders(self) -> int:
        return self.blocks + len(self.groups)

    @property
    def root(self) -> int:
        return self.tree.root

    def children(self, node: int) -> Nodes:
        """Return the nodes right below a node, those that retain most first."""
        below = np.flatnonzero(self.tree.parent == node)
        order: Nodes = below[np.lexsort((below, -self.bytes[below]))].astype(np.int32)
        return order

    def opened(self, node: int) -> int | None:
        """Return whose parts share out what the node retains: its own, or those of the block that nearly all of it
        hangs on; None where nothing of it is taken apart."""
        for _ in range(_MOST_STEPS):
            below = self.children(node)
            if (below >= self.holders).any():
                return node
            if not len(below) or self.bytes[below[0]] < _NEARLY_ALL * self.bytes[node]:
                return None
            node = int(below[0])
        return None


def retain(held: PointerGraph, groups: RootGroups, types: BlockTypes, step: Step | None = None) -> Retained:
    """Return what everything retains. Words that lie where a block's type has nothing hold nothing."""
    count, holders = len(held.blocks), len(held.blocks) + len(groups)
    parts = find_parts(held, groups, types)
    root = holders + len(parts)
    kept = kept_roots(held, groups, types)
    words, registers = kept.words, kept.registers
    source, target = held.graph.source[kept.edges], held.graph.target[kept.edges]
    # Owner to part, part (or the whole) to block.
    source = np.concatenate(
        (
            _from(source, parts.of_edge[kept.edges], holders),
            _from(count + groups.of_word[words], parts.of_word[words], holders),
            count + groups.of_register[registers],
            parts.owner,
        )
    )
    part = np.arange(holders, root, dtype=np.int32)
    target = np.concatenate((target, held.from_roots.target[words], register_targets(held)[registers], part))
    registered = np.array([offset for _, _, offset in held.registers], np.uint32)
    offset = np.concatenate(
        (held.graph.offset[kept.edges], held.from_roots.offset[words], registered[registers], np.zeros(len(part), "u4"))
    )
    top = np.arange(count, holders, dtype=np.int32)
    reached = np.concatenate((kept.held, np.ones(root + 1 - count, np.bool_)))
    reached[part] = reached[parts.owner]
    edges = np.concatenate((source, np.full(len(top), root, np.int32))), np.concatenate((target, top))
    tree = dominator_tree(RootedGraph(root + 1, *edges, root), step, reached)
    size, one = np.zeros(root + 1, np.int64), np.zeros(root + 1, np.int64)
    size[:count], one[:count] = held.blocks.size, 1
    return Retained(held, groups, parts, tree, tree.below(size), tree.below(one), source, target, offset, types.type)


def _from(whole: Nodes, part: Nodes, first: int) -> Nodes:
    """Return the node that each edge comes from: the part, where there is one."""
    return np.where(part >= 0, np.int32(first) + part, whole).astype(np.int32)
