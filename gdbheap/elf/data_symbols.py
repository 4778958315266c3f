"""The variables and functions that a module's symbol tables name, as columns: found by address, with or without debug
info."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from elftools.elf.elffile import ELFFile

from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.opened_elf import data_of, open_elf
from gdbheap.elf.small_debug_file import small_debug_file
from gdbheap.elf.symbol_table import LONGEST_NAME, MAX_TABLE, SHN_ABS, SHN_UNDEF, STT_OBJECT
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.process import Module

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STB_GLOBAL = 1
_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_CODE = (_STT_FUNC, _STT_GNU_IFUNC)
_LABELLED = (STT_OBJECT, _STT_NOTYPE)
_LOADED, _EXECUTABLE = 0x2, 0x4
# A function written in assembly may say nothing of its size.
_MOST_UNTOLD = 1 << 14
# Names may share their ends; no honest one is the end of more.
_MOST_ALIKE = 1 << 10
_FIELDS = {
    64: [("name", "u4"), ("info", "u1"), ("other", "u1"), ("index", "u2"), ("value", "u8"), ("size", "u8")],
    32: [("name", "u4"), ("value", "u4"), ("size", "u4"), ("info", "u1"), ("other", "u1"), ("index", "u2")],
}


@dataclass(frozen=True)
class DataSymbols:
    """Variables (or functions) in order of address: [start, end) as the module is linked, `is_global` unless it is seen
    in one file alone; `offset` is where the name stands in `names`. Of several at one address the first counts.
    `every_start` (in order) and `every_offset` are of all of them."""

    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    is_global: NDArray[np.bool_]
    offset: NDArray[np.uint32]
    names: bytes
    every_start: NDArray[np.uint64]
    every_offset: NDArray[np.uint32]

    def find(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return for each address (as linked) the variable it is in, -1 for none."""
        if not len(self.start):
            return np.full(len(addresses), -1, np.intp)
        index = np.searchsorted(self.start, addresses, side="right") - 1
        inside = (index >= 0) & (addresses < self.end[np.maximum(index, 0)])
        return np.where(inside, index, -1)

    def names_at(self, index: int) -> list[str]:
        """Return the linked names of all that begin where this one does, without the versions of libraries."""
        low, high = (int(np.searchsorted(self.every_start, self.start[index], side)) for side in ("left", "right"))
        found = self.every_offset[low : min(high, low + _MOST_ALIKE)].tolist()
        return [self._name_at(each).partition("@")[0] for each in found]

    def place_of(self, name: str) -> int | None:
        """Return where (as linked) the symbol of a linked name begins, None where there is none, or several are."""
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        found: list[int] = []
        at = self.names.find(wanted)
        while at >= 0 and len(found) < _MOST_ALIKE:
            found.append(at)
            at = self.names.find(wanted, at + 1)
        places = distinct(self.every_start[np.isin(self.every_offset, found)])
        return int(places[0]) if len(places) == 1 else None

    def name(self, index: int) -> str:
        """Return a variable's name as it is linked."""
        return self._name_at(int(self.offset[index]))

    def _name_at(self, at: int) -> str:
        return _text(self.names, at).decode("utf-8", "replace")


def data_symbols(module: Module, search: DebugSearch) -> DataSymbols:
    """Return the variables that the module's own file or its debug file names: of whichever names more; none where
    neither can be read."""
    return _of_kinds((STT_OBJECT,), module, search)


def labelled_data(module: Module, search: DebugSearch) -> DataSymbols:
    """Return the variables and, where none is, the labels of data, which say nothing of their size
    (_GLOBAL_OFFSET_TABLE_): each reaches to what comes next in its section."""
    return _of_kinds(_LABELLED, module, search)


def code_symbols(module: Module, search: DebugSearch) -> DataSymbols:
    """Return the functions, in the same way."""
    return _of_kinds(_CODE, module, search)


def symbols_of_elf(elf: Any, is_code: bool) -> DataSymbols:
    """Return the functions or variables that an ELFFile names; those of none where it is broken."""
    kinds = _CODE if is_code else (STT_OBJECT,)
    try:
        return _in_tables(elf, kinds)
    except UNPARSABLE:
        return _none(kinds)


def _of_kinds(kinds: tuple[int, ...], module: Module, search: DebugSearch) -> DataSymbols:
    found = [
        each
        for path in (module.file, search.by_build_id(module.build_id))
        if path is not None
        for each in _read(path, kinds)
    ]
    return max(found, key=lambda each: len(each.start), default=_none(kinds))


def _read(path: str, kinds: tuple[int, ...]) -> Iterator[DataSymbols]:
    """Yield what a file names of these kinds, and what the small debug file names that may lie in it, compressed
    (.gnu_debugdata)."""
    try:
        with open_elf(path) as file:
            elf: Any = ELFFile(file)
            yield _in_tables(elf, kinds)
            small = small_debug_file(elf)
            if small is not None:
                yield _in_tables(small, kinds)
    except UNPARSABLE:
        return


def _in_tables(elf: Any, kinds: tuple[int, ...]) -> DataSymbols:
    """Return what .symtab names of these kinds, .dynsym where there is none."""
    for table in (".symtab", ".dynsym"):
        section = elf.get_section_by_name(table)
        if section is not None and section["sh_type"] != "SHT_NOBITS":
            names = data_of(elf.get_section(section["sh_link"]), MAX_TABLE)
            order = "<" if elf.little_endian else ">"
            kind = np.dtype([(name, order + form) for name, form in _FIELDS[elf.elfclass]])
            data = data_of(section, MAX_TABLE)
            rows = np.frombuffer(data, kind, len(data) // kind.itemsize)
            rows = rows[(rows["index"] != SHN_UNDEF) & (rows["index"] != SHN_ABS)]
            untold = rows[:0] if kinds == (STT_OBJECT,) else _without_size(elf, rows, kinds)
            return _sorted(rows[np.isin(rows["info"] & 15, kinds) & (rows["size"] > 0)], untold, names)
    return _none(kinds)


def _without_size(elf: Any, rows: NDArray[Any], kinds: tuple[int, ...]) -> NDArray[Any]:
    """Return the symbols of code, as assembly leaves them, or of data that say nothing of their size: as large as may
    be."""
    is_code = kinds == _CODE
    bounds = {
        number: (each["sh_addr"], each["sh_addr"] + each["sh_size"])
        for number, each in enumerate(elf.iter_sections())
        if each["sh_flags"] & _LOADED and bool(each["sh_flags"] & _EXECUTABLE) == is_code
    }
    kinds = (_STT_NOTYPE, _STT_FUNC) if is_code else kinds
    found = rows[np.isin(rows["info"] & 15, kinds) & (rows["size"] == 0) & np.isin(rows["index"], list(bounds))].copy()
    for number, (begin, end) in bounds.items():
        own = found["index"] == number
        left = np.uint64(end) - np.minimum(found["value"][own].astype(np.uint64), np.uint64(end))
        # (__bss_start may lie in the gap before its section.)
        left[found["value"][own] < begin] = 0
        found["size"][own] = np.minimum(left, np.uint64(_MOST_UNTOLD)) if is_code else left
    told: NDArray[Any] = found[found["size"] > 0]
    return told


def _none(kinds: tuple[int, ...]) -> DataSymbols:
    kind = np.dtype(_FIELDS[64])
    return _sorted(np.empty(0, kind), np.empty(0, kind), b"")


def _text(names: bytes, at: int) -> bytes:
    return names[at : at + LONGEST_NAME].partition(b"\0")[0]


def _sorted(rows: NDArray[Any], untold: NDArray[Any], names: bytes) -> DataSymbols:
    """Return symbols with their places, global ones before others at the same place, the longest first; those `untold`
    reach to the next one, and count where no other is: the last in the order of the alphabet, as gdb has it."""
    known = np.arange(len(rows) + len(untold)) < len(rows)
    untold = untold[np.argsort([_text(names, at) for at in untold["name"].tolist()])[::-1]] if len(untold) else untold
    rows = np.concatenate([rows, untold]) if len(untold) else rows
    start, is_global = rows["value"].astype(np.uint64), rows["info"] >> 4 == _STB_GLOBAL
    ordered = np.argsort(start, kind="stable")
    every = start[ordered], rows["name"][ordered].astype(np.uint32)
    place = np.lexsort((~rows["size"].astype(np.uint64), ~is_global & known, ~known, start))
    new = np.flatnonzero(np.diff(start[place], prepend=np.uint64(np.iinfo(np.uint64).max)))
    place = place[new]
    start, size = start[place], rows["size"][place].astype(np.uint64)
    if len(untold):
        size = np.where(known[place], size, np.minimum(size, np.diff(start, append=np.uint64(np.iinfo(np.uint64).max))))
    # What is said to be larger than any address reaches to the end.
    end = start + np.minimum(size, np.uint64(np.iinfo(np.uint64).max) - start)
    return DataSymbols(start, end, is_global[place], rows["name"][place].astype(np.uint32), names, *every)
