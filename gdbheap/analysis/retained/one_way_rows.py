"""Rows of blocks of one kind, each of which leads to the next and not back: lists and rings that go one way.

Of such a row a variable that points into the middle (a cursor) is near to what follows, and owns it no more than the
one that leads there from the row's beginning; in a ring all are alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]
    Chosen = NDArray[np.bool_]


def goes_on(retained: Retained, source: Nodes, target: Nodes) -> Chosen:
    """Return which of these edges lead on in a row, of three at least."""
    found = np.zeros(len(source), np.bool_)
    # (A block leads to its own parts as well: they are no blocks.)
    rows = np.flatnonzero((source < retained.blocks) & (target < retained.blocks))
    rows = rows[_one_way(retained, source[rows], target[rows])]
    if not len(rows):
        return found
    leads, led = (np.zeros(retained.root + 1, np.bool_) for _ in range(2))
    leads[target[rows]], led[source[rows]] = True, True
    between_blocks = (retained.source < retained.blocks) & (retained.target < retained.blocks)
    near = np.flatnonzero((leads[retained.source] | led[retained.target]) & between_blocks)
    near = near[_one_way(retained, retained.source[near], retained.target[near])]
    before, behind = (np.zeros(retained.root + 1, np.bool_) for _ in range(2))
    before[retained.target[near]], behind[retained.source[near]] = True, True
    found[rows] = before[source[rows]] | behind[target[rows]]
    return found


def _one_way(retained: Retained, source: Nodes, target: Nodes) -> Chosen:
    """Return which of these edges lead from a block to one of its kind, that does not lead back."""
    size, kind = retained.held.blocks.size, retained.kind
    alike = (source != target) & (size[source] == size[target]) & (kind[source] == kind[target])
    back = np.zeros(retained.root + 1, np.bool_)
    back[target[alike]] = True
    others = np.flatnonzero(back[retained.source])
    pairs = _packed(retained.source[others], retained.target[others])
    one_way: Chosen = alike & ~np.isin(_packed(target, source), pairs)
    return one_way


def _packed(source: Nodes, target: Nodes) -> NDArray[np.int64]:
    packed: NDArray[np.int64] = source.astype(np.int64) << 32 | target
    return packed
