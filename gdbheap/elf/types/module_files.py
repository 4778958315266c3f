"""The files that have a module's debug information, in the order in which they are asked."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.section_table import section_places
from gdbheap.files import open_regular
from gdbheap.process.process import Module

_LONGEST_LINK = 1 << 12


def debug_files(module: Module, search: DebugSearch) -> Iterator[str]:
    """Yield them: the module's own file, the one of its build-id, those that its .gnu_debuglink means. Nothing is
    yielded that has no debug information."""
    if module.file is not None and _has_debug_info(module.file):
        yield module.file
    found = search.by_build_id(module.build_id)
    if found is not None and _has_debug_info(found):
        yield found
    link, crc = ("", 0) if module.file is None else _debug_link(module.file)
    if link and module.file is not None:
        from gdbheap.elf.elf_reader import crc_matches  # brings pyelftools

        for path in search.by_link(module.file, link):
            if _has_debug_info(path) and crc_matches(path, crc):
                yield path


def _has_debug_info(path: str) -> bool:
    places = section_places(path)
    return any(name in places and places[name].is_there for name in (".debug_info", ".zdebug_info"))


def _debug_link(path: str) -> tuple[str, int]:
    place = section_places(path).get(".gnu_debuglink")
    if place is None or not 8 <= place.size <= _LONGEST_LINK:
        return "", 0
    try:
        with open_regular(path) as file:
            data = os.pread(file.fileno(), place.size, place.offset)
    except OSError:
        return "", 0
    return os.fsdecode(data.partition(b"\0")[0]), int.from_bytes(data[-4:], "little")
