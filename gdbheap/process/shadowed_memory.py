"""Memory with a debugger's breakpoints in it, read as if they were not there."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.process.memory import SMALLEST_PAGE, Memory


class ShadowedMemory:
    """`memory`, but the pages of these `addresses` are read by `debugger`, which knows what its breakpoints stand
    on."""

    def __init__(self, memory: Memory, debugger: Memory, addresses: Iterable[int]) -> None:
        self._memory = memory
        self._debugger = debugger
        self._pages = frozenset(address & -SMALLEST_PAGE for address in addresses)

    def read(self, address: int, size: int) -> bytes:
        # Words and small structs come most often.
        near = {address & -SMALLEST_PAGE, (address + size - 1) & -SMALLEST_PAGE}
        if size <= SMALLEST_PAGE and not self._pages & near:
            return self._memory.read(address, size)
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        self._memory.read_into(address, buffer)
        for page in self._pages:
            start, end = max(page, address), min(page + SMALLEST_PAGE, address + len(buffer))
            if start < end:
                self._debugger.read_into(start, buffer[start - address : end - address])
