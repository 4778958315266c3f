"""Ranges of memory, and which of many addresses lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ranges:
    """[start, end) of memory, in order and apart."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        joined: list[tuple[int, int]] = []
        for start, end in ranges:  # those that touch as one: fewer are sooner searched
            joined.append((joined.pop()[0] if joined and joined[-1][1] == start else start, end))
        self._start = np.array([start for start, _ in joined], np.uint64)
        self._end = np.array([end for _, end in joined], np.uint64)

    def hold(self, addresses: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the addresses lie in one."""
        if not len(self._start):
            return np.zeros(addresses.shape, np.bool_)
        fast = kernel(addresses.size)
        if fast is not None and addresses.dtype == np.uint64 and suits(addresses):
            return fast.inside(self._start, self._end, addresses.reshape(-1)).reshape(addresses.shape)
        index = np.searchsorted(self._start, addresses, side="right") - 1
        inside: NDArray[np.bool_] = (index >= 0) & (addresses < self._end[index])
        return inside
