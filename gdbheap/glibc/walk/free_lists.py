"""Following long free lists in the columns that the walks have read.

A list that holds together is followed without a read for each chunk; where anything is off, the caller follows it
again, slowly, in memory, to say what.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from gdbheap.glibc.layout import Layout
from gdbheap.glibc.walk.links import fast_links, fits_fastbins
from gdbheap.glibc.walk.walk import Walk
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.columns.starts import Starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.uint64]

_SIZE_MASK = 0xFFFF_FFFF_FFFF_FFF8


class FreeLists:
    """The lists of an arena, followed in columns of the chunks that may be in them."""

    def __init__(self, layout: Layout, walks: list[Walk]) -> None:
        self._layout = layout
        self._walks = sorted((walk for walk in walks if len(walk.listed)), key=lambda walk: int(walk.address[0]))
        self._binned: _Binned | None = None
        self._fast: _Fast | None = None

    def follow_bin(self, header: int, first: int, last: int) -> Column | None:
        """Return the chunks of a doubly linked list from its bk end, or None where a link does not hold in both
        directions."""
        if self._binned is None:
            self._binned = _Binned(self._walks)
        return self._binned.follow(header, first, last)

    def follow_fastbin(self, head: int, size: int) -> Column | None:
        """Return the chunks of a fastbin from its head, or None where it leaves the chunks of that size, or loops."""
        if self._fast is None:
            self._fast = _Fast(self._layout, self._walks)
        return self._fast.follow(head, size)


class _Binned:
    """The chunks that the next header calls free, by address; each with the row that its bk leads to."""

    def __init__(self, walks: list[Walk]) -> None:
        columns = []
        for walk in walks:
            is_free = np.zeros(len(walk.raw), np.bool_)
            is_free[walk.free_rows()] = True
            chosen = is_free[walk.listed]
            columns.append((walk.address[walk.listed[chosen]], walk.fd[chosen], walk.bk[chosen]))
        self._address, self._fd, self._bk = _by_address(columns)
        following = _rows_of(self._address, self._bk)
        # A link counts only if the chunk that it leads to points back.
        inside = following >= 0
        inside[inside] = self._fd[following[inside]] == self._address[inside]
        self._next = np.where(inside, following, -1).astype(np.int32)

    def follow(self, header: int, first: int, last: int) -> Column | None:
        row = _row_of(self._address, last)
        if row < 0 or int(self._fd[row]) != header:
            return None
        rows = _follow(self._next, row)
        # Whatever ends the chain must be the header, and the header must know the last chunk.
        if rows is None or int(self._bk[rows[-1]]) != header or int(self._address[rows[-1]]) != first:
            return None
        return np.asarray(self._address[rows])


class _Fast:
    """The chunks that may be in fastbins, by address; each with the row that its fd leads to, if that is one of the
    same size."""

    def __init__(self, layout: Layout, walks: list[Walk]) -> None:
        mask = np.uint64(_SIZE_MASK)
        columns = []
        for walk in walks:
            raw = walk.raw[walk.listed]
            small = fits_fastbins(layout, raw)
            columns.append((walk.address[walk.listed[small]], walk.fd[small], raw[small] & mask))
        self._address, fd, self._size = _by_address(columns)
        link = fast_links(layout, self._address, fd)
        self._is_end = link == np.uint64(0)
        following = _rows_of(self._address, link)
        self._next = np.where(self._size[following] == self._size, following, -1).astype(np.int32)

    def follow(self, head: int, size: int) -> Column | None:
        row = _row_of(self._address, head)
        if row < 0 or int(self._size[row]) != size:
            return None
        rows = _follow(self._next, row)
        return None if rows is None or not self._is_end[rows[-1]] else np.asarray(self._address[rows])


def _follow(following: NDArray[np.int32], row: int) -> NDArray[np.int32] | None:
    """Return the rows of a list from its first to the one with no next (-1); None where it loops."""
    fast = kernel(len(following))
    if fast is not None and suits(following):
        return fast.follow(following, row)
    rows = array("i")
    # (A list of a million numbers is scattered over memory, as the rows are: each step would miss the cache twice.)
    onward, append = following.data, rows.append
    for _ in range(len(following)):
        append(row)
        row = onward[row]
        if row < 0:
            return np.frombuffer(rows, np.int32)
    return None


def _by_address(columns: list[tuple[Column, Column, Column]]) -> tuple[Column, Column, Column]:
    """Return the pieces of three columns, each joined and in order of the first."""
    if not columns:
        empty = np.empty(0, np.uint64)
        return empty, empty, empty
    one, two, three = (np.concatenate(pieces) for pieces in zip(*columns))
    if not (one[1:] > one[:-1]).all():
        order = np.argsort(one, kind="stable")
        return one[order], two[order], three[order]
    return one, two, three


def _rows_of(addresses: Column, wanted: Column) -> NDArray[np.int64]:
    """Return the row of each wanted address in the sorted `addresses`, -1 for those that are not there."""
    if not len(addresses):
        return np.full(len(wanted), -1, np.int64)
    rows = Starts(addresses).before(wanted)
    rows[addresses[rows] != wanted] = -1
    return rows


def _row_of(addresses: Column, wanted: int) -> int:
    if not 0 <= wanted < 1 << 64:
        return -1
    return int(_rows_of(addresses, np.array([wanted], np.uint64))[0])
