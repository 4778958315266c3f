"""Which program left a core: read from its notes, because an older gdb does not look for it."""

from __future__ import annotations

from pathlib import Path

from gdbheap.elf.core_file import open_core
from gdbheap.process.images.auxv import AT_ENTRY


def program_of(core: Path) -> Path | None:
    """Return the program that was running when `core` was made, if its notes say and the file still exists; raise HeapError where it is no core."""
    opened = open_core(str(core))
    entry = opened.auxv.get(AT_ENTRY, 0)
    for file in opened.files:
        if file.start <= entry < file.end and Path(file.path).is_file():
            return Path(file.path)
    return None
