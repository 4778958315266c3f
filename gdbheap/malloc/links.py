"""Links of free lists: demangling, and following long lists in the columns that the walks have read.

A list that holds together is followed without a read for each chunk; where anything is off, the caller follows it again, slowly, in
memory, to say what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.malloc.chunk_table import PREV_INUSE
from gdbheap.malloc.layout import Layout
from gdbheap.malloc.sizes import fastbin_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.malloc.walk import Walk

    Column = NDArray[np.uint64]

_SIZE_MASK = 0xFFFF_FFFF_FFFF_FFF8
# NFASTBINS is 10, on an i386 with 16-byte alignment 11.
_LAST_FASTBIN = 10
# Beyond it nothing of a process lies that has not asked for addresses of 57 bits; malloc does not.
_LAST_ADDRESS = 1 << 47


def demangle(field: int, stored: int, layout: Layout) -> int:
    """Return the pointer that the link at address `field` stores (REVEAL_PTR; plain before glibc 2.32).

    Where safe-linking is not known (no list had a second chunk or an end to tell by), 0 and the mangled 0 both end the list.
    """
    if layout.safe_linking:
        return stored ^ field >> 12
    if layout.safe_linking is None and stored == field >> 12:
        return 0
    return stored


def may_be_listed(layout: Layout, address: Column, raw: Column, fd: Column) -> NDArray[np.int64]:
    """Return the rows of the chunks, each behind the other, that an arena's lists may hold: those that the next header calls free (the last
    is kept, its next is not here), and those of a fastbin's size whose fd could be a link. Most of a heap is neither."""
    kept = np.ones(len(raw), np.bool_)
    np.equal(raw[1:] & np.uint64(PREV_INUSE), np.uint64(0), out=kept[:-1])
    if layout.has_fastbins:
        small = np.flatnonzero(raw < np.uint64(fastbin_size(_LAST_FASTBIN + 1, layout)))
        link = _fast_links(layout, address[small], fd[small])
        aligned = (link + np.uint64(layout.header)) & np.uint64(layout.alignment - 1) == 0
        kept[small[(link == 0) | (aligned & (link < np.uint64(_LAST_ADDRESS)))]] = True
    return np.flatnonzero(kept)


def _fast_links(layout: Layout, address: Column, fd: Column) -> Column:
    """Return where the fd of these chunks leads if they are in fastbins, 0 at a list's end (demangle(), for all)."""
    if layout.safe_linking is False:
        return fd
    mangled = (address + np.uint64(layout.header)) >> np.uint64(12)
    return fd ^ mangled if layout.safe_linking else np.where(fd == mangled, np.uint64(0), fd)


class Links:
    """fd and bk of the chunks that may be in an arena's lists, as columns."""

    def __init__(self, layout: Layout, walks: list[Walk]) -> None:
        self._layout = layout
        self._walks = sorted((walk for walk in walks if len(walk.listed)), key=lambda walk: int(walk.address[0]))
        self._binned: _Binned | None = None
        self._fast: _Fast | None = None

    def follow_bin(self, header: int, first: int, last: int) -> Column | None:
        """Return the chunks of a doubly linked list from its bk end, or None where a link does not hold in both directions."""
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
        self._next = np.where(inside, following, -1).tolist()

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
    """The chunks that may be in fastbins, by address; each with the row that its fd leads to, if that is one of the same size."""

    def __init__(self, layout: Layout, walks: list[Walk]) -> None:
        mask = np.uint64(_SIZE_MASK)
        columns = [(walk.address[walk.listed], walk.fd, walk.raw[walk.listed] & mask) for walk in walks]
        self._address, fd, self._size = _by_address(columns)
        link = _fast_links(layout, self._address, fd)
        self._is_end = link == np.uint64(0)
        following = _rows_of(self._address, link)
        self._next = np.where(self._size[following] == self._size, following, -1).tolist()

    def follow(self, head: int, size: int) -> Column | None:
        row = _row_of(self._address, head)
        if row < 0 or int(self._size[row]) != size:
            return None
        rows = _follow(self._next, row)
        return None if rows is None or not self._is_end[rows[-1]] else np.asarray(self._address[rows])


def _follow(following: list[int], row: int) -> list[int] | None:
    """Return the rows of a list from its first to the one with no next (-1); None where it loops."""
    rows: list[int] = []
    for _ in range(len(following)):
        rows.append(row)
        row = following[row]
        if row < 0:
            return rows
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
    rows = np.minimum(np.searchsorted(addresses, wanted), len(addresses) - 1)
    return np.where(addresses[rows] == wanted, rows, -1)


def _row_of(addresses: Column, wanted: int) -> int:
    if not 0 <= wanted < 1 << 64:
        return -1
    return int(_rows_of(addresses, np.array([wanted], np.uint64))[0])
