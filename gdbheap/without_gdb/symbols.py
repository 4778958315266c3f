"""Addresses by the modules' symbol tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from gdbheap.elf.data_symbols import DataSymbols, code_symbols, labelled_data, symbols_of_elf
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.plt_entries import PltEntries, plt_entries
from gdbheap.elf.unwind.tables import VDSO, vdso_elf
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np, regex
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Module, Process
from gdbheap.without_gdb.demangle import demangled

# A part of a function that compilers made one of its own: gdb takes its number for one of Ada's, and leaves it out.
_PART = regex(r"([a-z0-9][a-z0-9_.]*)\.\d+")
# A stub is no longer than this.
_STUB = 16


class AddressNames:
    """Names addresses of a process. `module_at` says which module an address is in, the vdso among them."""

    def __init__(self, process: Process, search: DebugSearch, module_at: Callable[[int], Module | None]) -> None:
        self._process, self._search, self._module_at = process, search, module_at
        self._tables: dict[tuple[str, bool], DataSymbols | None] = {}
        self._plts: dict[str, PltEntries] = {}

    def at(self, address: int) -> NamedAddress | None:
        """Return the function or variable that an address is in, its name as C++ writes it."""
        found = self.linked_at(address)
        return None if found is None else replace(found, name=_shown(found.name))

    def linked_at(self, address: int) -> NamedAddress | None:
        """Return the same by the name as it is linked."""
        module = self._module_at(address)
        if module is None:
            return None
        place = (address - module.load_base) & self._process.machine.mask
        slot = self._entry_at(self._plt_of(module).slots, place, self._process.pointer_size)
        if slot is not None:
            return NamedAddress(f"{slot[0]}@got[plt]", slot[1], os.path.basename(module.path))
        linked = np.array([place], np.uint64)
        for is_code in (True, False):
            symbols = self._symbols_of(module, is_code)
            index = -1 if symbols is None else int(symbols.find(linked)[0])
            if symbols is not None and index >= 0:
                # Of several names of a function gdb takes the last in the order of the alphabet.
                name = max(symbols.names_at(index)) if is_code else symbols.name(index).partition("@")[0]
                return NamedAddress(name, place - int(symbols.start[index]), os.path.basename(module.path))
        stub = self._entry_at(self._plt_of(module).stubs, place, _STUB)
        return None if stub is None else NamedAddress(f"{stub[0]}@plt", stub[1], os.path.basename(module.path))

    def _plt_of(self, module: Module) -> PltEntries:
        if module.path not in self._plts:
            file, code = module.file, self._process.machine.code
            self._plts[module.path] = PltEntries({}, {}) if file is None else plt_entries(file, code)
        return self._plts[module.path]

    @staticmethod
    def _entry_at(entries: Mapping[int, str], place: int, size: int) -> tuple[str, int] | None:
        """Return the name of the entry of so many bytes at most that the place is in, and how far."""
        start = next((each for each in range(place, place - size, -1) if each in entries), None)
        return None if start is None else (entries[start], place - start)

    def address_of(self, name: str, near: int) -> int | None:
        """Return where the variable or function of a linked name is, in the module that an address is in."""
        module = self._module_at(near)
        return None if module is None else self.in_module(name, module)

    def in_module(self, name: str, module: Module) -> int | None:
        """Return the same of a module."""
        for is_code in (False, True):
            symbols = self._symbols_of(module, is_code)
            place = None if symbols is None else symbols.place_of(name)
            if place is not None:
                return (place + module.load_base) & self._process.machine.mask
        return None

    def _symbols_of(self, module: Module, is_code: bool) -> DataSymbols | None:
        key = (module.path, is_code)
        if key not in self._tables:
            self._tables[key] = self._read(module, is_code)
        return self._tables[key]

    def _read(self, module: Module, is_code: bool) -> DataSymbols | None:
        if module.path != VDSO:
            return (code_symbols if is_code else labelled_data)(module, self._search)
        try:
            return symbols_of_elf(vdso_elf(self._process, module), is_code)
        except (MemoryFault, *UNPARSABLE):
            return None


def _shown(linked: str) -> str:
    part = _PART.fullmatch(linked)
    return demangled(linked) if part is None else part[1]
