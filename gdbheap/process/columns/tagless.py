"""Pointers without their tags, where a processor ignores the highest bits of an address (TBI, MTE): in columns of
words, and in memory as it is for those who look for pointers to certain addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.memory import Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tags:
    """`mask` are the bits of an address that count; words that are of [low, high) but for the others are taken for
    pointers with a tag."""

    mask: int
    low: int
    high: int

    def off(self, words: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the words, the pointers without tags."""
        plain = words & np.uint64(self.mask)
        return np.where((plain >= np.uint64(self.low)) & (plain < np.uint64(self.high)), plain, words)


class TaglessMemory:
    """`memory`, its aligned words of 64 bits without `tags`."""

    def __init__(self, memory: Memory, tags: Tags) -> None:
        self._memory = memory
        self._tags = tags

    def read(self, address: int, size: int) -> bytes:
        data = bytearray(self._memory.read(address, size))
        self._take_off(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        self._memory.read_into(address, buffer)
        self._take_off(address, buffer)

    def _take_off(self, address: int, buffer: memoryview) -> None:
        first = -address % 8
        count = (len(buffer) - first) // 8
        if count > 0:
            words = np.frombuffer(buffer, np.uint64, count, first)
            words[:] = self._tags.off(words)
