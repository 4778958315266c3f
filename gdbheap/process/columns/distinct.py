"""Each of many values once. numpy's own unique() keeps a table of what it met, which for a million values that differ
is several times slower than sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values, each once, in ascending order."""
    return distinct_of_sorted(np.sort(values))


def distinct_of_sorted(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values, which ascend, each once."""
    if not len(values):
        return values
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def coded(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
    """Return the values, each once and in ascending order, where each comes first, and the place of each row's value
    among them: as unique() does, which sorts all rows, where most of millions are alike."""
    fast = kernel(len(values))
    if fast is not None and values.dtype.kind in "iu" and len(values) > _FEW:
        of_word = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64, copy=False).view(np.uint64)
        found = fast.codes(np.ascontiguousarray(of_word), min(len(values) >> _SHARED_BITS, _MOST))
        if found is not None:
            which, first = found
            order = np.argsort(values[first])
            rank = np.empty(len(order), np.intp)
            rank[order] = np.arange(len(order))
            return values[first][order], first[order], rank[which]
    each, first, which = np.unique(values, return_index=True, return_inverse=True)
    return each, first, which.reshape(-1)


# Fewer rows are sooner sorted, and so are those of which not many are alike, or that differ in so many values that a
# table of them is in no cache.
_FEW = 1 << 12
_SHARED_BITS = 2
_MOST = 1 << 16


def rows_of_each(which: NDArray[np.intp], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows in order of their codes, which are below `count`, those of a code in their own order, and where
    the rows of each code end among them."""
    short = which.astype(np.uint16) if count <= _SHORT else which  # numpy sorts these by counting
    return np.argsort(short, kind="stable"), np.cumsum(np.bincount(which, minlength=count))


_SHORT = 1 << 16


def counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the values, none of them below 0 and most of them small, each once, in ascending order, and how often each
    is there."""
    limit = max(len(values), 1)
    small = values < limit
    times = np.bincount(values[small], minlength=limit)
    few = np.flatnonzero(times)
    others = np.sort(values[~small])
    large = distinct_of_sorted(others)
    more = np.diff(np.searchsorted(others, large), append=len(others))
    return np.concatenate((few.astype(values.dtype), large)), np.concatenate((times[few], more))


def first_of_each(numbers: NDArray[Any], end: int) -> NDArray[np.intp]:
    """Return where each of the numbers, which lie in [0, end), comes first, in ascending order of the numbers."""
    if len(numbers) < end >> _FEW_BITS:
        return np.unique(numbers, return_index=True)[1]
    first = np.full(end, -1, np.intp)
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return first[first >= 0]


# Of fewer numbers than one in so many (two to this power) sorting is sooner done than a place for each.
_FEW_BITS = 5


def are_among(values: NDArray[Any], known: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the values are among the known ones, which ascend. (numpy's isin() is as fast for small numbers;
    of others it asks unique().)"""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def codes_of(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each row that is the same for rows which are alike in all columns; the numbers go from 0 on
    without a gap, in the order of the rows' values, those of the first column first. (numpy's unique() of rows sorts
    them whole, which takes ten times as long.)"""
    codes, codes_end = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        within, end = _from_zero(column)
        if codes_end * end >= _MOST_CODES:
            within, end = _dense(column)
            codes, codes_end = _dense(codes)
        codes, codes_end = codes * end + within, codes_end * end
    return _places(codes, codes_end) if codes_end < _WIDE * len(codes) else _dense(codes)[0]


def firsts_of(codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the first row that has each of codes_of()'s numbers."""
    first = np.zeros(int(codes.max(initial=-1)) + 1, np.intp)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first


# No product of two counts of rows has so many bits.
_MOST_CODES = 1 << 63
# Codes that reach so many times as far as there are rows are sooner sorted than a table of all of them is made.
_WIDE = 16
_WORD = 8


def _from_zero(column: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Return the values, the least of them as 0, and a number that is above all; where that is beyond a word's, only
    the number is right."""
    if not len(column):
        return column.astype(np.int64), 1
    if column.dtype.itemsize < _WORD:
        column = column.astype(np.int64)
    low, high = column.min(), column.max()
    return (column - low).astype(np.int64), int(high) - int(low) + 1


def _places(codes: NDArray[np.int64], end: int) -> NDArray[np.int64]:
    """Return each code's place among the codes that there are; all are below `end`."""
    there = np.zeros(end, np.bool_)
    there[codes] = True
    place: NDArray[np.int64] = (np.cumsum(there) - 1)[codes]
    return place


def _dense(column: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Return each value's place among the values that there are, and how many these are."""
    values, _, which = coded(column)
    return which.astype(np.int64, copy=False), max(len(values), 1)
