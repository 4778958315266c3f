"""Which program left a core, and of which machine: read from the core itself, because an older gdb does not look for
the program, and a gdb that does not know the machine takes it for i386."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gdbheap.elf.core_file import open_core
from gdbheap.process.images.auxv import AT_ENTRY


class CoreOrigin(NamedTuple):
    """`program` is the name of the program that was running, "" where the core's notes do not tell (it is whatever they
    say: nobody has looked whether there is such a file); `machine` is its machine's name, `gdb` what gdb calls that, ""
    where gdbheap does not know it."""

    program: str
    machine: str
    gdb: str


def origin_of(core: Path) -> CoreOrigin:
    """Return where the core comes from; raise HeapError where it is no core."""
    opened = open_core(str(core))
    entry = opened.auxv.get(AT_ENTRY, 0)
    program = next((file.path for file in opened.files if file.start <= entry < file.end), "")
    return CoreOrigin(program, opened.machine, opened.known.gdb if opened.known is not None else "")
