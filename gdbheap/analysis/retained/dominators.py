"""The dominator tree of a graph of millions of nodes: who must be passed on every way from the root to a node.

Most blocks of most heaps lead nowhere, or to such alone, or back to who holds them: these are peeled off in layers, in
numpy. What is left, the core, has its rows made short (contracted.py), and goes node by node (semi_dominators.py). Then
the layers are put back, each node below the nearest common ancestor of those that lead to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.analysis.retained.back_edges import BackEdges
from gdbheap.analysis.retained.common_ancestors import CommonAncestors
from gdbheap.analysis.retained.contracted import core_dominators
from gdbheap.analysis.retained.sole_sources import sole_sources
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

Step = Callable[[int], None]
NONE = -1
# A layer that is smaller than this part of what is left costs more than to go over its nodes one by one.
_SMALL_LAYER = 1 / 64
_MOST_LAYERS = 64


@dataclass(frozen=True)
class _Layer:
    """Nodes that lead nowhere once the layers before this are gone, and the edges to them, in order of target."""

    nodes: Nodes
    source: Nodes
    target: Nodes


@dataclass(frozen=True)
class DominatorTree:
    """`parent[node]` is the immediate dominator: the nearest node that every way from the root to this one goes over
    (NONE: the root's, and where no way leads). `position` and `count` make a preorder: below a node are those at
    position[node] to position[node] + count[node] - 1, itself the first; both are 0 where no way leads. Where Ctrl-C
    has `interrupted` the search, `parent[node]` is the nearest that is known, or the root.
    """

    root: int
    parent: Nodes
    position: Nodes
    count: Nodes
    interrupted: bool = False

    def below(self, weight: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each node the sum of the weights of it and all below it: what would go if it went."""
        placed = np.flatnonzero(self.count)
        in_order = np.zeros(len(placed) + 1, np.int64)
        in_order[self.position[placed] + 1] = weight[placed]
        np.cumsum(in_order, out=in_order)
        sums = np.zeros(len(self.count), np.int64)
        first = self.position[placed]
        sums[placed] = in_order[first + self.count[placed]] - in_order[first]
        return sums


@dataclass(frozen=True)
class RootedGraph:
    """`count` nodes, edges between them in any order, and the node that all ways begin at."""

    count: int
    source: Nodes
    target: Nodes
    root: int


def dominator_tree(
    graph: RootedGraph, step: Step | None = None, reached: NDArray[np.bool_] | None = None
) -> DominatorTree:
    """Return the tree of the graph. `step` is called with nodes on the way; `reached` is which nodes the root leads to,
    where that is known."""
    count, root = graph.count, graph.root
    source, target = graph.source.astype(np.int32, copy=False), graph.target.astype(np.int32, copy=False)
    found = None if reached is None else _Builder(count, root).build(source, target, step, reached)
    return found or _must(_Builder(count, root).build(source, target, step, _reached(count, source, target, root)))


@dataclass(frozen=True)
class _Core:
    """The core's nodes in preorder, the place of each node of the graph in it, and common ancestors by place."""

    nodes: Nodes
    place_of: Nodes
    ancestors: CommonAncestors

    def common(self, one: Nodes, other: Nodes) -> Nodes:
        """Return the nearest common ancestor of each pair."""
        found: Nodes = self.nodes[self.ancestors.find(self.place_of[one], self.place_of[other])]
        return found


class _Builder:
    def __init__(self, count: int, root: int) -> None:
        self._root = root
        self._parent = np.full(count, NONE, np.int32)
        # Of a node of a layer: how far it is below the core, and the node of the core that it hangs on.
        self._height = np.zeros(count, np.int32)
        self._base = np.arange(count, dtype=np.int32)
        self._interrupted = False

    def build(
        self, source: Nodes, target: Nodes, step: Step | None, reached: NDArray[np.bool_]
    ) -> DominatorTree | None:
        """Return the tree; None where the root does not lead to all that is said to be `reached`."""
        kept = reached[source] & (source != target) & (target != self._root)
        # (An object and what counts its owners are often one block: two words side by side lead there.)
        kept[1:] &= (source[1:] != source[:-1]) | (target[1:] != target[:-1])
        layers, source, target, left = _peel(len(self._parent), source[kept], target[kept], self._root)
        try:
            core, dominator = core_dominators(len(self._parent), source, target, self._root, step)
        except KeyboardInterrupt:
            core, dominator = sole_sources(len(self._parent), source, target, self._root)
            self._interrupted = True
        if len(core) != left:
            return None
        self._parent[core] = core[dominator]
        if layers:
            self._put_back(layers, core, dominator)
        self._parent[self._root] = NONE
        return self._placed(layers, core, dominator)

    def _put_back(self, layers: list[_Layer], core: Nodes, dominator: Nodes) -> None:
        """Set the parents of all layers' nodes: each layer hangs on the core and on layers that were peeled later."""
        place = _preorder(dominator, np.ones(len(core), np.int32))[0]
        at_place = np.empty(len(core), np.int32)
        at_place[place] = np.arange(len(core), dtype=np.int32)
        place_of = np.zeros(len(self._parent), np.int32)
        place_of[core] = place
        tree = _Core(core[at_place], place_of, CommonAncestors(place[dominator[at_place]]))
        for layer in reversed(layers):
            source, target = layer.source, layer.target
            while True:
                new = np.flatnonzero(np.diff(target, prepend=-1))
                if len(new) == len(target):
                    break
                source, target = self._halved(source, target, new, tree)
            self._parent[target] = source
            self._height[target] = self._height[source] + 1
            self._base[target] = self._base[source]

    def _halved(self, source: Nodes, target: Nodes, new: NDArray[np.intp], core: _Core) -> tuple[Nodes, Nodes]:
        """Take two and two of the edges to one target together, as one from the common ancestor of both sources.
        `new` is where in the edges the targets begin."""
        rank = np.arange(len(target)) - np.repeat(new, np.diff(np.append(new, len(target))))
        kept = np.flatnonzero(rank % 2 == 0)
        first, second = source[kept], source[np.minimum(kept + 1, len(source) - 1)]
        paired = (target[np.minimum(kept + 1, len(target) - 1)] == target[kept]) & (first != second)
        paired[kept + 1 >= len(target)] = False
        pairs = np.flatnonzero(paired)
        one, other = self._to_one_base(first[pairs], second[pairs])
        apart = np.flatnonzero(one != other)
        one[apart] = core.common(one[apart], other[apart])
        first[pairs] = one
        return first, target[kept]

    def _to_one_base(self, one: Nodes, other: Nodes) -> tuple[Nodes, Nodes]:
        """Return the common ancestors of the pairs that hang on one node of the core, of the others these nodes."""
        first, second = self._base[one], self._base[other]
        near = np.flatnonzero(first == second)
        one, other = one[near], other[near]
        while True:
            apart = one != other
            if not apart.any():
                break
            higher, lower = self._height[one], self._height[other]
            up_one, up_other = apart & (higher >= lower), apart & (lower >= higher)
            one[up_one] = self._parent[one[up_one]]
            other[up_other] = self._parent[other[up_other]]
        first[near] = second[near] = one
        return first, second

    def _placed(self, layers: list[_Layer], core: Nodes, dominator: Nodes) -> DominatorTree:
        """Return the tree with its preorder."""
        size = len(self._parent)
        count = np.zeros(size, np.int32)
        count[core] = 1
        for layer in layers:
            count[layer.nodes] += 1
            count += np.bincount(self._parent[layer.nodes], count[layer.nodes], size).astype(np.int32)
        position, following = np.zeros(size, np.int32), np.zeros(size, np.int32)
        position[core], count[core], following[core] = _preorder(dominator, count[core])
        for layer in reversed(layers):
            nodes = layer.nodes[np.argsort(self._parent[layer.nodes], kind="stable")]
            above = self._parent[nodes]
            begin = np.flatnonzero(np.diff(above, prepend=-1))
            before = np.cumsum(count[nodes]) - count[nodes]
            within = before - np.repeat(before[begin], np.diff(np.append(begin, len(nodes))))
            position[nodes] = following[above] + within
            following[above] = position[nodes] + count[nodes]
            following[nodes] = position[nodes] + 1
        return DominatorTree(self._root, self._parent, position, count, self._interrupted)


def _reached(count: int, source: Nodes, target: Nodes, root: int) -> NDArray[np.bool_]:
    """Return which nodes the root leads to."""
    order = np.argsort(source, kind="stable") if (source[1:] < source[:-1]).any() else slice(None)
    owner = np.full(count, UNSEEN, np.int32)
    owner[root] = root
    spread(Adjacency(count, source[order], target[order]), np.array([root], np.int32), owner)
    reached: NDArray[np.bool_] = owner != UNSEEN
    return reached


def _must(tree: DominatorTree | None) -> DominatorTree:
    assert tree is not None
    return tree


def _peel(count: int, source: Nodes, target: Nodes, root: int) -> tuple[list[_Layer], Nodes, Nodes, int]:
    """Return the layers, the edges of the core, and how many nodes it has."""
    layers: list[_Layer] = []
    back, tried = BackEdges(count), False
    present = np.zeros(count, np.bool_)
    present[target] = present[root] = True
    for _ in range(_MOST_LAYERS):
        leads = np.zeros(count, np.bool_)
        leads[source] = leads[root] = True
        sinks = present & ~leads
        nodes = np.flatnonzero(sinks).astype(np.int32)
        if not len(nodes) or len(nodes) < np.count_nonzero(present) * _SMALL_LAYER:
            onward = ~back.find(source, target)
            if not tried and np.count_nonzero(~onward) <= len(source) * _SMALL_LAYER:
                onward, tried = ~back.find_by_hubs(source, target, root), True
            if np.count_nonzero(~onward) <= len(source) * _SMALL_LAYER:
                break
            source, target = source[onward], target[onward]
            continue
        present[nodes] = False
        ends = sinks[target]
        there = target[ends]
        order = np.argsort(there, kind="stable")
        layers.append(_Layer(nodes, source[ends][order], there[order]))
        source, target = source[~ends], target[~ends]
    return layers, source, target, int(np.count_nonzero(present))


def _preorder(parent: Nodes, weight: Nodes) -> tuple[Nodes, Nodes, Nodes]:
    """Return for each node its position in a preorder, the weight of all below it with its own, and the position
    behind those that are here: a node and what is not here of what it weighs take `weight` positions. Nodes come
    behind their parents; the first is the root."""
    above, count = parent.tolist(), weight.tolist()
    for node in range(len(above) - 1, 0, -1):
        count[above[node]] += count[node]
    position, following = [0] * len(above), [1] * len(above)
    for node in range(1, len(above)):
        up = above[node]
        position[node] = here = following[up]
        following[up] = here + count[node]
        following[node] = here + 1
    return np.array(position, np.int32), np.array(count, np.int32), np.array(following, np.int32)
