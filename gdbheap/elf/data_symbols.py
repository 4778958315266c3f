"""The variables and functions that a module's symbol tables name, as columns: found by address, with or without debug
info."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.opened_elf import data_of, open_elf
from gdbheap.elf.symbol_table import LONGEST_NAME, MAX_TABLE, SHN_ABS, SHN_UNDEF, STT_OBJECT
from gdbheap.lazy import np
from gdbheap.process.process import Module

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STB_GLOBAL = 1
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
_FIELDS = {
    64: [("name", "u4"), ("info", "u1"), ("other", "u1"), ("index", "u2"), ("value", "u8"), ("size", "u8")],
    32: [("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"), ("index", "u2")],
}


@dataclass(frozen=True)
class DataSymbols:
    """Variables (or functions) in order of address: [start, end) as the module is linked, `is_global` unless it is seen
    in one file alone; `offset` is where the name stands in `names`. Of several at one address the first counts."""

    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    is_global: NDArray[np.bool_]
    offset: NDArray[np.uint32]
    names: bytes

    def find(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return for each address (as linked) the variable it is in, -1 for none."""
        if not len(self.start):
            return np.full(len(addresses), -1, np.intp)
        index = np.searchsorted(self.start, addresses, side="right") - 1
        inside = (index >= 0) & (addresses < self.end[np.maximum(index, 0)])
        return np.where(inside, index, -1)

    def name(self, index: int) -> str:
        """Return a variable's name as it is linked."""
        at = int(self.offset[index])
        return self.names[at : at + LONGEST_NAME].partition(b"\0")[0].decode("utf-8", "replace")


def data_symbols(module: Module, search: DebugSearch) -> DataSymbols:
    """Return the variables that the module's own file or its debug file names: of whichever names more; none where
    neither can be read."""
    return _of_kinds((STT_OBJECT,), module, search)


def code_symbols(module: Module, search: DebugSearch) -> DataSymbols:
    """Return the functions, in the same way."""
    return _of_kinds((_STT_FUNC, _STT_GNU_IFUNC), module, search)


def _of_kinds(kinds: tuple[int, ...], module: Module, search: DebugSearch) -> DataSymbols:
    found = [_read(path, kinds) for path in (module.file, search.by_build_id(module.build_id)) if path is not None]
    return max(found, key=lambda each: len(each.start), default=_sorted(b"", b"", 64, "<", kinds))


def _read(path: str, kinds: tuple[int, ...]) -> DataSymbols:
    """Return what .symtab names of these kinds, .dynsym where there is none."""
    try:
        with open_elf(path) as file:
            elf: Any = ELFFile(file)
            for table in (".symtab", ".dynsym"):
                section = elf.get_section_by_name(table)
                if section is not None and section["sh_type"] != "SHT_NOBITS":
                    names = data_of(elf.get_section(section["sh_link"]), MAX_TABLE)
                    order = "<" if elf.little_endian else ">"
                    return _sorted(data_of(section, MAX_TABLE), names, elf.elfclass, order, kinds)
    except UNPARSABLE:
        pass
    return _sorted(b"", b"", 64, "<", kinds)


def _sorted(table: bytes, names: bytes, bits: int, order: str, kinds: tuple[int, ...]) -> DataSymbols:
    """Return the symbols of these kinds in a table with their places, global ones before others at the same place."""
    kind = np.dtype([(name, order + form) for name, form in _FIELDS[bits]])
    rows = np.frombuffer(table, kind, len(table) // kind.itemsize)
    rows = rows[np.isin(rows["info"] & 15, kinds) & (rows["size"] > 0)]
    rows = rows[(rows["index"] != SHN_UNDEF) & (rows["index"] != SHN_ABS)]
    start, is_global = rows["value"].astype(np.uint64), rows["info"] >> 4 == _STB_GLOBAL
    place = np.lexsort((~is_global, start))
    new = np.flatnonzero(np.diff(start[place], prepend=np.uint64(np.iinfo(np.uint64).max)))
    place = place[new]
    start, size = start[place], rows["size"][place].astype(np.uint64)
    # What is said to be larger than any address reaches to the end.
    end = start + np.minimum(size, np.uint64(np.iinfo(np.uint64).max) - start)
    return DataSymbols(start, end, is_global[place], rows["name"][place].astype(np.uint32), names)
