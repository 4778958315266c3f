"""A module's symbols, struct layouts and TLS offsets, from its own file and its separate debug file."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from gdbheap.elf.cache import SymbolCache, entry_name, file_stamp
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.process.process import Module
from gdbheap.process.symbols import ModuleSymbols

if TYPE_CHECKING:
    from gdbheap.elf.elf_reader import ElfContents


class DebugFiles:
    """Answers `symbols_of(module)` from the files on this machine, through an on-disk cache where one is given."""

    def __init__(self, search: DebugSearch, cache: SymbolCache | None = None) -> None:
        self._search = search
        self._cache = cache

    def symbols_of(self, module: Module) -> ModuleSymbols:
        """Return all that can be had; `missing` says what could not. Does not raise."""
        name = entry_name(module.build_id, module.file)
        entry = self._cache.load(name) if self._cache else None
        if entry is not None and self._is_fresh(module, *entry):
            return entry[0]
        found, about = _read_module(module, self._search)
        if self._cache is not None:
            self._cache.store(name, found, about)
        return found

    def _is_fresh(self, module: Module, cached: ModuleSymbols, about: dict[str, Any]) -> bool:
        """Whether the entry is from the same library file, and from the debug file that a search finds now."""
        if about.get("library") != file_stamp(module.file or ""):
            return False
        found = self._search.by_build_id(cached.build_id)
        if found is None and module.file is not None:
            found = next(self._search.by_link(module.file, str(about.get("link", ""))), None)
        return about.get("debug") == file_stamp(found or "")


def _read_module(module: Module, search: DebugSearch) -> tuple[ModuleSymbols, dict[str, Any]]:
    """Return the module's symbols, and what the cache needs to know of where they are from."""
    # Imported here, for it brings pyelftools (50 ms), which a cached answer does not need.
    reader = importlib.import_module("gdbheap.elf.elf_reader")
    missing = []
    library = debug = reader.ElfContents()
    if module.file is None:
        missing.append(f"{module.path} cannot be opened here")
    else:
        library = reader.read_elf(module.file, search, module.build_id)
    build_id = module.build_id or library.build_id
    debug_file = search.by_build_id(build_id)
    if debug_file is not None:
        debug = reader.read_elf(debug_file, search, build_id)
    elif module.file is not None and library.link:
        for path in search.by_link(module.file, library.link):
            if reader.crc_matches(path, library.link_crc):
                debug_file, debug = path, reader.read_elf(path, search)
                break
    missing += [each.problem for each in (library, debug) if each.problem]
    if debug_file is None and "main_arena" not in library.symbols:
        missing.append(f"there is no debug file for {os.path.basename(module.path)} (build-id {build_id or 'none'})")
    about = {"library": file_stamp(module.file or ""), "debug": file_stamp(debug_file or ""), "link": library.link}
    return _joined(module, library, debug_file or "", debug, tuple(missing)), about


def _joined(
    module: Module, library: ElfContents, debug_file: str, debug: ElfContents, missing: tuple[str, ...]
) -> ModuleSymbols:
    readable = bool(module.file) and not library.problem
    return ModuleSymbols(
        build_id=module.build_id or library.build_id,
        symbols={**library.symbols, **debug.symbols},
        structs={**library.structs, **debug.structs},
        library_file=module.file or "" if readable else "",
        debug_file=debug_file,
        version=library.version,
        texts=library.texts if readable else None,
        missing=missing,
    )
