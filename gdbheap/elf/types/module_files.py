"""The files that may have a module's debug information, in the order in which they are asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE, crc_matches
from gdbheap.elf.opened_elf import data_of, open_elf
from gdbheap.process.process import Module


def debug_files(module: Module, search: DebugSearch) -> Iterator[str]:
    """Yield them: the module's own file, the one of its build-id, those that its .gnu_debuglink means."""
    if module.file is not None:
        yield module.file
    found = search.by_build_id(module.build_id)
    if found is not None:
        yield found
    if module.file is None:
        return
    link, crc = _debug_link(module.file)
    if link:
        yield from (path for path in search.by_link(module.file, link) if crc_matches(path, crc))


def _debug_link(path: str) -> tuple[str, int]:
    try:
        with open_elf(path) as file:
            elf: Any = ELFFile(file)
            section = elf.get_section_by_name(".gnu_debuglink")
            if section is None:
                return "", 0
            name, _, rest = data_of(section).partition(b"\0")
            return os.fsdecode(name), int.from_bytes(rest[-4:], "little")
    except UNPARSABLE:
        return "", 0
