"""The thread-local variables that a module's files name."""

from __future__ import annotations

from typing import Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.symbol_table import STT_TLS, defined_symbols
from gdbheap.process.process import Module


def thread_locals(module: Module, search: DebugSearch) -> list[tuple[int, int, str]]:
    """Return (offset in the module's TLS block, size, name as it is linked) of each, in order; [] where no file tells."""
    debug_file = search.by_build_id(module.build_id)
    found: dict[tuple[int, int], str] = {}
    for path in (module.file, debug_file):
        if path is not None:
            found.update(_read(path))
    return sorted((offset, size, name) for (offset, size), name in found.items())


def _read(path: str) -> dict[tuple[int, int], str]:
    try:
        with open(path, "rb") as file:
            elf: Any = ELFFile(file)
            return {
                (value, size): name.decode("utf-8", "replace")
                for name, value, size, kind in defined_symbols(elf)
                if kind == STT_TLS
            }
    except UNPARSABLE:
        return {}
