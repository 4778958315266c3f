"""The dominator tree as stacks: from a holder down over what the blocks are, for flame graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.analysis.retained.shared import SharedGroup
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What lies deeper counts for the frame above it.
_DEEPEST = 128


@dataclass(frozen=True)
class OwnerPath:
    """Blocks that are alike and held alike: `frames` from the holder down, their own bytes and how many they are."""

    frames: tuple[str, ...]
    bytes: int
    blocks: int


def owner_paths(
    retained: Retained,
    kind: NDArray[np.int64],
    shared: tuple[SharedGroup, ...],
    name: Callable[[int], str],
    shared_name: Callable[[SharedGroup], str],
) -> list[OwnerPath]:
    """Return every path with blocks at its end. Nodes below each other that are of one kind are one frame: a list is no
    deeper than its node. `name` gives a node's name, `shared_name` that of several holders."""
    frames = _Frames(retained, kind, shared)
    size = retained.held.blocks.size.astype(np.int64)
    blocks = np.flatnonzero(retained.tree.count[: retained.blocks])
    order = np.argsort(frames.of_node[blocks], kind="stable")
    blocks = blocks[order]
    frame = frames.of_node[blocks]
    begin = np.flatnonzero(np.diff(frame, prepend=-1))
    if not len(begin):
        return []
    sums, counts = np.add.reduceat(size[blocks], begin), np.diff(np.append(begin, len(blocks)))
    names: dict[int, tuple[str, ...]] = {-1: ()}

    def path(number: int) -> tuple[str, ...]:
        if number not in names:
            above, node = frames.above[number], frames.node[number]
            own = name(node) if node >= 0 else shared_name(shared[-1 - node])
            names[number] = (*path(above), own)
        return names[number]

    return [
        OwnerPath(path(number), own, count)
        for number, own, count in zip(frame[begin].tolist(), sums.tolist(), counts.tolist())
    ]


class _Frames:
    """The frame of each node; of each frame the one `above` it (-1: none) and a `node` that it is named by (-1 - n:
    what shared group n has)."""

    def __init__(self, retained: Retained, kind: NDArray[np.int64], shared: tuple[SharedGroup, ...]) -> None:
        self.above: list[int] = []
        self.node: list[int] = []
        tree, root = retained.tree, retained.root
        label = np.concatenate((kind, np.arange(root + 1 - retained.blocks) + int(kind.max(initial=0)) + 1)).tolist()
        of_node, depth = [-1] * (root + 1), [0]
        known: dict[tuple[int, int], int] = {}
        group_of = {int(node): number for number, group in enumerate(shared) for node in group.nodes.tolist()}
        parent = tree.parent.data
        placed = np.flatnonzero(tree.count)
        in_order = placed[np.argsort(tree.position[placed])].tolist()
        labels: list[int] = []

        def frame(above: int, mark: int, node: int) -> int:
            """Return the frame with this mark below another, which may be that itself."""
            if above >= 0 and (labels[above] == mark or depth[above + 1] >= _DEEPEST):
                return above
            number = known.setdefault((above, mark), len(self.above))
            if number == len(self.above):
                self.above.append(above)
                self.node.append(node)
                labels.append(mark)
                depth.append(depth[above + 1] + 1)
            return number

        for node in in_order:
            if node == root:
                continue
            above = of_node[parent[node]]
            if node in group_of:
                above = frame(-1, -1 - group_of[node], -1 - group_of[node])
            of_node[node] = frame(above, label[node], node)
        self.of_node = np.array(of_node, np.int64)
