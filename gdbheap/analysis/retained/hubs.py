"""Where memory that several holders share gathers: the block that points to most of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A block is told of if it points to so much of what is shared, in so many pieces.
_GOOD_PART = 0.2
_FEWEST = 8


@dataclass(frozen=True)
class Hub:
    """A block that points to `children` of the shared ones, which retain so many `bytes`."""

    block: int
    children: NDArray[np.int32]
    bytes: int


def find_hub(retained: Retained, nodes: NDArray[np.int32]) -> Hub | None:
    """Return the block that points to those of the nodes that retain most; None where no block points to much."""
    chosen = np.zeros(retained.root + 1, np.bool_)
    chosen[nodes] = True
    rows = np.flatnonzero(chosen[retained.target] & (retained.source < retained.holders))
    pairs = distinct(retained.source[rows].astype(np.int64) << 32 | retained.target[rows])
    source, target = (pairs >> 32).astype(np.int32), (pairs & 0xFFFF_FFFF).astype(np.int32)
    apart = (source < retained.blocks) & (source != target)
    source, target = source[apart], target[apart]
    if not len(source):
        return None
    sums = np.bincount(source, retained.bytes[target])
    block = int(np.argmax(sums))
    children = target[source == block]
    if len(children) < _FEWEST or sums[block] < _GOOD_PART * retained.bytes[nodes].sum():
        return None
    return Hub(block, children, int(sums[block]))
