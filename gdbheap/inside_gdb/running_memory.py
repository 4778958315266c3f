"""The memory of a process that may be running: small reads through /proc/PID/mem, which need no stop and no gdb."""

from __future__ import annotations

import os
from contextlib import suppress

from gdbheap.files import open_regular

# Beyond it no file offset reaches.
_LAST_OFFSET = (1 << 63) - 1


class RunningMemory:
    """Memory of process `pid` as it is at the moment of each read; b"" wherever it cannot be read."""

    def __init__(self, pid: int, word: int) -> None:
        self.pid = pid
        self._word = word
        self._file = None
        with suppress(OSError):  # not ours to open
            self._file = open_regular(f"/proc/{pid}/mem")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes, fewer where a mapping ends before."""
        if self._file is None or not 0 <= address < _LAST_OFFSET - size:
            return b""
        try:
            return os.pread(self._file.fileno(), size, address)
        except OSError:
            return b""

    def words(self, address: int, most: int) -> memoryview:
        """Return so many words, fewer where a mapping ends before."""
        data = self.read(address, most * self._word)
        return memoryview(data[: len(data) // self._word * self._word]).cast("Q" if self._word == 8 else "I")
