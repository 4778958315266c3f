"""Memory read ahead: for those who read a little at many places, one behind the other."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Memory

_PIECE = 16 << 10


class Ahead:
    """Memory that reads more than it is asked for, where that can be read, and keeps the last piece."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._start = 0
        self._piece = b""

    def read(self, address: int, size: int) -> bytes:
        at = address - self._start
        if at < 0 or at + size > len(self._piece):
            try:
                self._piece = self._memory.read(address, max(size, _PIECE))
            except (MemoryFault, OverflowError):
                return self._memory.read(address, size)
            self._start, at = address, 0
        return self._piece[at : at + size]

    def read_into(self, address: int, buffer: memoryview) -> None:
        buffer[:] = self.read(address, len(buffer))
