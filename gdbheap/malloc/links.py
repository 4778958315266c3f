"""Links of free lists: demangling, and following long lists in the columns that the walks have read.

A list that holds together is followed without a read for each chunk; where anything is off, the caller follows it again, slowly, in
memory, to say what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.malloc.layout import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.malloc.walk import Walk

_SIZE_MASK = 0xFFFF_FFFF_FFFF_FFF8


def demangle(field: int, stored: int, layout: Layout) -> int:
    """Return the pointer that the link at address `field` stores (REVEAL_PTR; plain before glibc 2.32).

    Where safe-linking is not known (no list had a second chunk or an end to tell by), 0 and the mangled 0 both end the list.
    """
    if layout.safe_linking:
        return stored ^ field >> 12
    if layout.safe_linking is None and stored == field >> 12:
        return 0
    return stored


class Links:
    """fd and bk of the chunks that may be in an arena's lists, as columns."""

    def __init__(self, layout: Layout, walks: list[Walk]) -> None:
        self._layout = layout
        self._walks = walks
        self._binned: _Binned | None = None
        self._fast: dict[int, _Fast] = {}

    def follow_bin(self, header: int, first: int, last: int) -> NDArray[np.uint64] | None:
        """Return the chunks of a doubly linked list from its bk end, or None where a link does not hold in both directions."""
        if self._binned is None:
            self._binned = _Binned(self._walks)
        return self._binned.follow(header, first, last)

    def follow_fastbin(self, head: int, size: int) -> NDArray[np.uint64] | None:
        """Return the chunks of a fastbin from its head, or None where it leaves the chunks of that size, or loops."""
        if size not in self._fast:
            self._fast[size] = _Fast(self._layout, self._walks, size)
        return self._fast[size].follow(head)


class _Binned:
    """The chunks that the next header calls free, by address; each with the row that its bk leads to."""

    def __init__(self, walks: list[Walk]) -> None:
        rows = [walk.free_rows() for walk in walks]
        self._address = _gather([walk.address[each] for walk, each in zip(walks, rows)])
        order = np.argsort(self._address, kind="stable")
        self._address = self._address[order]
        self._fd = _gather([walk.fd[each] for walk, each in zip(walks, rows)])[order]
        self._bk = _gather([walk.bk[each] for walk, each in zip(walks, rows)])[order]
        following = _rows_of(self._address, self._bk)
        # A link counts only if the chunk that it leads to points back.
        inside = following >= 0
        inside[inside] = self._fd[following[inside]] == self._address[inside]
        self._next = np.where(inside, following, -1).tolist()

    def follow(self, header: int, first: int, last: int) -> NDArray[np.uint64] | None:
        row = _row_of(self._address, last)
        if row < 0 or int(self._fd[row]) != header:
            return None
        rows: list[int] = []
        following, most = self._next, len(self._next)
        for _ in range(most + 1):
            if row < 0:
                break
            rows.append(row)
            row = following[row]
        # Whatever ends the chain must be the header, and the header must know the last chunk.
        if int(self._bk[rows[-1]]) != header or int(self._address[rows[-1]]) != first or len(rows) > most:
            return None
        return np.asarray(self._address[rows])


class _Fast:
    """The chunks of one size, by address; each with the row that its fd leads to."""

    def __init__(self, layout: Layout, walks: list[Walk], size: int) -> None:
        rows = [np.flatnonzero((walk.raw & np.uint64(_SIZE_MASK)) == np.uint64(size)) for walk in walks]
        self._address = _gather([walk.address[each] for walk, each in zip(walks, rows)])
        order = np.argsort(self._address, kind="stable")
        self._address = self._address[order]
        link = _gather([walk.fd[each] for walk, each in zip(walks, rows)])[order]
        mangled = (self._address + np.uint64(layout.header)) >> np.uint64(12)
        if layout.safe_linking:
            link = link ^ mangled
        elif layout.safe_linking is None:
            link = np.where(link == mangled, np.uint64(0), link)
        self._is_end = link == np.uint64(0)
        self._next = _rows_of(self._address, link).tolist()

    def follow(self, head: int) -> NDArray[np.uint64] | None:
        row = _row_of(self._address, head)
        if row < 0:
            return None
        rows: list[int] = []
        following, most = self._next, len(self._next)
        for _ in range(most + 1):
            if row < 0:
                break
            rows.append(row)
            row = following[row]
        if len(rows) > most or not self._is_end[rows[-1]]:
            return None
        return np.asarray(self._address[rows])


def _gather(columns: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.concatenate(columns) if columns else np.empty(0, np.uint64)


def _rows_of(addresses: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the row of each wanted address in the sorted `addresses`, -1 for those that are not there."""
    if not len(addresses):
        return np.full(len(wanted), -1, np.int64)
    rows = np.minimum(np.searchsorted(addresses, wanted), len(addresses) - 1)
    return np.where(addresses[rows] == wanted, rows, -1)


def _row_of(addresses: NDArray[np.uint64], wanted: int) -> int:
    if not 0 <= wanted < 1 << 64:
        return -1
    return int(_rows_of(addresses, np.array([wanted], np.uint64))[0])
