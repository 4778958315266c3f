"""What is known of dominators without a search: whoever alone leads to a node is above it. All others are put right
below the root, so that what a node retains by this is never more than it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]


def sole_sources(count: int, source: Nodes, target: Nodes, root: int) -> tuple[Nodes, Nodes]:
    """Return the nodes with edges, those above first, and for each the place among these of the node that alone leads
    to it, else of the root (the root's own: 0). All can be reached from the root; an edge may come twice."""
    pairs = distinct(source.astype(np.int64) << 32 | target)
    source, target = (pairs >> 32).astype(np.int32), (pairs & 0xFFFF_FFFF).astype(np.int32)
    above = np.full(count, root, np.int32)
    alone = (np.bincount(target, minlength=count) == 1)[target]
    above[target[alone]] = source[alone]
    depth = np.ones(count, np.int32)
    depth[root], above[root] = 0, root
    onward = above.copy()
    for _ in range(count.bit_length()):
        depth += depth[onward]
        onward = onward[onward]
    astray = onward != root
    above[astray], depth[astray] = root, 1
    nodes = distinct(np.append(target, np.int32(root))).astype(np.int32)
    nodes = nodes[np.argsort(depth[nodes], kind="stable")]
    number = np.zeros(count, np.int32)
    number[nodes] = np.arange(len(nodes), dtype=np.int32)
    return nodes, number[above[nodes]]
