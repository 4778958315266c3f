"""Memory with a debugger's breakpoints in it, read as if they were not there."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.process.memory import PAGE, Memory


class ShadowedMemory:
    """`memory`, but the pages of these `addresses` are read by `debugger`, which knows what its breakpoints stand
    on."""

    def __init__(self, memory: Memory, debugger: Memory, addresses: Iterable[int]) -> None:
        self._memory = memory
        self._debugger = debugger
        self._pages = frozenset(address & -PAGE for address in addresses)

    def read(self, address: int, size: int) -> bytes:
        # Words and small structs come most often.
        if size <= PAGE and not self._pages & {address & -PAGE, (address + size - 1) & -PAGE}:
            return self._memory.read(address, size)
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        self._memory.read_into(address, buffer)
        for page in self._pages:
            start, end = max(page, address), min(page + PAGE, address + len(buffer))
            if start < end:
                self._debugger.read_into(start, buffer[start - address : end - address])
