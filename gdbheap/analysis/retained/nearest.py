"""The nearest variable or member above each block in the dominator tree: who holds it, in a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.analysis.retained.shared import SharedGroup, shared_groups
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOST = -1
# Whose members are looked at retains so much of all.
_MUCH = 0.01


@dataclass(frozen=True)
class Nearest:
    """For each block the `node` of the root group or part that is nearest above it; LOST where no way leads; -2 - n for
    what the holders of `shared[n]` hold together."""

    retained: Retained
    node: NDArray[np.int64]
    shared: tuple[SharedGroup, ...]

    def weight(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how much hangs on each of these."""
        shared = [each.bytes for each in self.shared]
        rows = [
            int(self.retained.bytes[node]) if node >= 0 else 0 if node == LOST else shared[-2 - node]
            for node in nodes.tolist()
        ]
        return np.array(rows, np.int64)


def nearest_holders(retained: Retained) -> Nearest:
    """Return the nearest holder of each block."""
    parent, count = retained.tree.parent, retained.blocks
    shared = tuple(shared_groups(retained, retained.root))
    # Who stands for himself, and who for the one above; then as far up as that leads, twice as far each time.
    up = np.arange(retained.root + 1, dtype=np.int32)
    placed = np.flatnonzero(retained.tree.count[:count])
    up[placed] = parent[placed]
    inside = list(_inside_holders(retained))
    for nodes in (*(each.nodes for each in shared), *(nodes for nodes, _ in inside)):
        up[nodes] = nodes
    while True:
        further = up[up]
        if np.array_equal(further, up):
            break
        up = further
    node = up[:count].astype(np.int64)
    names = np.arange(retained.root + 1, dtype=np.int64)
    for number, each in enumerate(shared):
        names[each.nodes] = -2 - number
    for nodes, owner in inside:
        names[nodes] = owner
    node = names[node]
    node[retained.tree.count[:count] == 0] = LOST
    return Nearest(retained, node, shared)


def _inside_holders(retained: Retained) -> Iterator[tuple[NDArray[np.int32], int]]:
    """Yield the nodes that members of a variable share and the one that is likely their owner, of variables that retain
    much."""
    tops = retained.children(retained.root)
    much = (tops >= retained.blocks) & (retained.bytes[tops] >= max(_MUCH * int(retained.bytes[retained.root]), 1))
    for top in tops[much].tolist():
        opened = retained.opened(top)
        if opened is not None:
            yield from ((each.nodes, each.owner) for each in shared_groups(retained, opened) if each.owner is not None)
