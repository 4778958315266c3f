"""A directed graph as columns: who points to whom, by source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int32] | NDArray[np.intp]

# In rows(): no such target, and more targets than a row has places for.
NONE, MORE = -1, -2


def begins(source: Indices, count: int) -> NDArray[np.int64]:
    """Return where the edges of each of so many nodes begin, and where the last one's end; `source` ascends."""
    fast = kernel(len(source))
    if fast is not None and source.dtype == np.int32 and suits(source):
        return fast.begins(source, count)
    begin = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=count), out=begin[1:])
    return begin


class Adjacency:
    """Who points to whom, by source: the targets of node n are `target[begin[n]:begin[n + 1]]`; `leads[n]` says if
    there are any. `source` and `target` are the edges."""

    def __init__(self, count: int, source: Indices, target: Indices) -> None:
        """`source` ascends."""
        self.count = count
        self.source = source
        self.begin = begins(source, count)
        self.leads = self.begin[1:] > self.begin[:-1]
        self.target = np.ascontiguousarray(target, np.int32)

    @classmethod
    def unsorted(cls, count: int, source: Indices, target: Indices) -> Adjacency:
        """Make it of edges in any order."""
        order = np.argsort(source, kind="stable")
        return cls(count, source[order], target[order])

    def rows(self, owner: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return a row for each node: its first two targets (NONE for none; the second MORE where there are more),
        its owner, nothing."""
        rows = np.full((self.count, 4), NONE, np.int32)
        degree = np.diff(self.begin)
        for column in range(2):
            has = np.flatnonzero(degree > column)
            rows[has, column] = self.target[self.begin[has] + column]
        rows[degree > 2, 1] = MORE
        rows[:, 2] = owner
        return rows
