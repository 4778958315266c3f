"""Which program left a core: read from its notes, because an older gdb does not look for it."""

from __future__ import annotations

from pathlib import Path

from gdbheap.elf.core_file import open_core
from gdbheap.process.images.auxv import AT_ENTRY


def program_of(core: Path) -> str:
    """Return the name of the program that was running when `core` was made, "" where its notes do not tell; raise
    HeapError where it is no core.

    The name is whatever the core says: nobody has looked whether there is such a file.
    """
    opened = open_core(str(core))
    entry = opened.auxv.get(AT_ENTRY, 0)
    return next((file.path for file in opened.files if file.start <= entry < file.end), "")
