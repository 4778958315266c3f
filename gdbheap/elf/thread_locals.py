"""The thread-local variables that a module's files name."""

from __future__ import annotations

from itertools import islice
from typing import Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.opened_elf import open_elf
from gdbheap.elf.symbol_table import thread_local_symbols
from gdbheap.process.process import Module

_MOST = 10_000


def thread_locals(module: Module, search: DebugSearch) -> list[tuple[int, int, str]]:
    """Return (offset in the module's TLS block, size, name as it is linked) of each, in order; [] where no file
    tells."""
    debug_file = search.by_build_id(module.build_id)
    found: dict[tuple[int, int], str] = {}
    for path in (module.file, debug_file):
        if path is not None:
            found.update(_read(path))
    return sorted((offset, size, name) for (offset, size), name in found.items())


def _read(path: str) -> dict[tuple[int, int], str]:
    try:
        with open_elf(path) as file:
            elf: Any = ELFFile(file)
            symbols = islice(thread_local_symbols(elf), _MOST)
            return {(value, size): name.decode("utf-8", "replace") for name, value, size in symbols}
    except UNPARSABLE:
        return {}
