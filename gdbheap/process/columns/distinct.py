"""Each of many values once. numpy's own unique() keeps a table of what it met, which for a million values that differ
is several times slower than sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def are_among(values: NDArray[Any], known: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which of the values are among the known ones, which ascend. (numpy's isin() is as fast for small numbers;
    of others it asks unique().)"""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    found: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def codes_of(*columns: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number for each row that is the same for rows which are alike in all columns; the numbers go from 0 on
    without a gap. (numpy's unique() of rows sorts them whole.)"""
    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values = distinct(column)
        codes = codes * len(values) + np.searchsorted(values, column)
        # As dense as can be before the next: no product of two counts of rows leaves 63 bits.
        dense = distinct(codes)
        codes = np.searchsorted(dense, codes)
    return codes
