"""Files behind what a core does not hold of its mappings."""

from __future__ import annotations

import os
from collections.abc import Callable

from gdbheap.elf.elf_facts import ElfFacts, read_elf_facts
from gdbheap.files import open_regular

_ELF = b"\x7fELF"


class BackingFile:
    """A mapped file, open for reading as long as this object lives. `changed` is when it was last written (ns)."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = open_regular(path)
        self.descriptor = self.file.fileno()
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        self.changed = status.st_mtime_ns

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes."""
        try:
            return os.pread(self.descriptor, size, offset)
        except (OSError, OverflowError):
            return b""

    def facts(self) -> ElfFacts:
        """Return what the file tells of itself."""
        return read_elf_facts(self.read)


def open_backing(path: str) -> BackingFile | None:
    """Return the regular file of that name, None where there is none."""
    try:
        return BackingFile(path)
    except (OSError, OverflowError):
        return None


class StandIns:
    """Files of data that stand in for what a core does not hold of their mappings: what a process never wrote to its
    own copy, and what it shares with others, is in the file. That the file of that name is the one that was mapped,
    and as it was then, is an assumption: it must not have been written since the core was (`made`, ns). An ELF file
    is told by its build-id instead."""

    def __init__(self, made: int, locate: Callable[[str], str]) -> None:
        self._made = made
        self._locate = locate
        self._opened: dict[str, BackingFile | None] = {}

    def find(self, path: str) -> BackingFile | None:
        """Return the file that may stand in for the mapped one."""
        if path not in self._opened:
            found = open_backing(self._locate(path))
            is_one = found is not None and found.changed <= self._made and found.read(0, len(_ELF)) != _ELF
            self._opened[path] = found if is_one else None
        return self._opened[path]

    def known(self, path: str) -> BackingFile | None:
        """Return the file if it was found before."""
        return self._opened.get(path)
