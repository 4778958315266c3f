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
