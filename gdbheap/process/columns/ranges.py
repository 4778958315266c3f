"""Ranges of memory, and which of many addresses lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ranges:
    """[start, end) of memory, in order and apart."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._start = np.array([start for start, _ in ranges], np.uint64)
        self._end = np.array([end for _, end in ranges], np.uint64)

    def hold(self, addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the addresses lie in one."""
        if not len(self._start):
            return np.zeros(addresses.shape, np.bool_)
        index = np.searchsorted(self._start, addresses, side="right") - 1
        inside: NDArray[np.bool_] = (index >= 0) & (addresses < self._end[index])
        return inside
