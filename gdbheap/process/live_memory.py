"""The memory of a live process on this machine, read wide through /proc/PID/mem."""

from __future__ import annotations

import os
from io import FileIO

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import Memory

# Beyond it no file offset reaches: vsyscall's page alone lies there.
_LAST_OFFSET = (1 << 63) - 1


class LiveMemory:
    """Memory of process `pid`. Where the kernel does not open it for us, `fallback` (the debugger's own reads) serves.

    The file belongs to the address space that the process had when this was made: after an exec, make another.
    """

    def __init__(self, pid: int, fallback: Memory) -> None:
        self._fallback = fallback
        try:
            # Stays open as long as this object lives.
            self._file: FileIO | None = open(f"/proc/{pid}/mem", "rb", buffering=0)  # noqa: SIM115
        except OSError:
            self._file = None

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        if self._file is None or address + len(buffer) > _LAST_OFFSET:
            self._fallback.read_into(address, buffer)
            return
        done = 0
        while done < len(buffer):
            try:
                count = os.preadv(self._file.fileno(), [buffer[done:]], address + done)
            except OSError:
                count = 0
            if count == 0:
                raise MemoryFault(address, len(buffer))
            done += count
