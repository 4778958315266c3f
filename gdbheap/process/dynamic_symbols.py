"""What a loaded module says of itself to the dynamic linker: its name (DT_SONAME), and whether it defines a symbol.
Read from memory.

A look into the hash table takes a few words, as the dynamic linker's own does (do_lookup_x() in elf/dl-lookup.c); no
symbol table is read through.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from gdbheap.errors import MemoryFault
from gdbheap.process.images.elf_image import ElfImage, read_dynamic
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process

DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SONAME, DT_GNU_HASH = 4, 5, 6, 10, 14, 0x6FFFFEF5
# No honest chain of a hash table is longer, nor an honest name.
_MOST_CHAINED = 4096
_LONGEST = 256
# No more of a table of names is looked through.
_MOST_NAMES = 16 << 20
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10


class _Entry(NamedTuple):
    """An entry of a symbol table: `name` is an offset in the table of strings, `section` 0 where it is not defined."""

    name: int
    info: int
    section: int
    value: int


class DynamicSymbols:
    """A module's dynamic section. What cannot be read (a core without it) is not there."""

    def __init__(self, process: Process, image: ElfImage) -> None:
        self._process = process
        self._image = image
        self._entries = read_dynamic(process, image)

    @property
    def soname(self) -> str:
        """The name that others need it by, "" where it has none."""
        strings, offset = self._table(DT_STRTAB), self._entries.get(DT_SONAME)
        if not strings or offset is None:
            return ""
        return text_at(self._process.memory, strings + offset, _LONGEST).decode(errors="replace")

    def defines(self, name: str) -> bool:
        """Whether the module defines the symbol for others to use."""
        return self._index(name) != 0

    def address(self, name: str) -> int | None:
        """Return the address of a symbol that the module defines; None where it does not, or it cannot be read."""
        index = self._index(name)
        try:
            return self._entry(index).value + self._image.load_base if index else None
        except MemoryFault:
            return None

    def wanted(self, names: Sequence[str]) -> list[str]:
        """Return which of the names the module wants from others: it knows them, and does not define them."""
        size = min(self._entries.get(DT_STRSZ, 0), _MOST_NAMES)
        strings = self._table(DT_STRTAB)
        if not strings or not size:
            return []
        try:
            table = self._process.memory.read(strings, size)
        except MemoryFault:
            return []
        return [name for name in names if b"\0" + name.encode() + b"\0" in table and not self.defines(name)]

    def _index(self, name: str) -> int:
        """Return the symbol's index, 0 where it is not defined here."""
        try:
            return self._in_gnu_table(name.encode()) or self._in_table(name.encode())
        except (MemoryFault, OverflowError, ZeroDivisionError):
            return 0

    def _table(self, tag: int) -> int:
        """Return where a table is, 0 for none: the dynamic linker has made an address of the entry, unless it has
        yet to run."""
        value = self._entries.get(tag, 0)
        return value if not value or self._image.holds(value) else value + self._image.load_base

    def _in_gnu_table(self, name: bytes) -> int:
        table = self._table(DT_GNU_HASH)
        if not table:
            return 0
        code, pointer_size = _gnu_hash(name), self._process.pointer_size
        buckets, first, bloom, _ = struct.unpack("<4I", self._process.memory.read(table, 16))
        bucket = table + 16 + bloom * pointer_size + code % buckets * 4
        index = self._number(bucket)
        for at in range(index, index + _MOST_CHAINED) if index >= first else ():
            found = self._number(table + 16 + bloom * pointer_size + 4 * (buckets + at - first))
            if found | 1 == code | 1 and self._is(at, name):
                return at
            if found & 1:
                break
        return 0

    def _in_table(self, name: bytes) -> int:
        table = self._table(DT_HASH)
        if not table:
            return 0
        buckets = self._number(table)
        index = self._number(table + 8 + _sysv_hash(name) % buckets * 4)
        for _ in range(_MOST_CHAINED):
            if not index or self._is(index, name):
                return index
            index = self._number(table + 8 + 4 * (buckets + index))
        return 0

    def _is(self, index: int, name: bytes) -> bool:
        """Whether the symbol of that index is defined here, and so called."""
        entry = self._entry(index)
        if not entry.section or entry.info >> 4 not in (_GLOBAL, _WEAK, _UNIQUE):
            return False
        return text_at(self._process.memory, self._table(DT_STRTAB) + entry.name, len(name) + 1) == name

    def _entry(self, index: int) -> _Entry:
        """Return the entry of that index in the symbol table (Elf64_Sym, Elf32_Sym); MemoryFault."""
        wide = self._process.pointer_size == 8
        form = struct.Struct("<IBxHQ8x" if wide else "<IIxxxxBxH")
        data = self._process.memory.read(self._table(DT_SYMTAB) + index * form.size, form.size)
        name, *rest = form.unpack(data)
        info, section, value = rest if wide else (rest[1], rest[2], rest[0])
        return _Entry(name, info, section, value)

    def _number(self, address: int) -> int:
        return int.from_bytes(self._process.memory.read(address, 4), "little")


def _gnu_hash(name: bytes) -> int:
    code = 5381
    for byte in name:
        code = code * 33 + byte & 0xFFFFFFFF
    return code


def _sysv_hash(name: bytes) -> int:
    code = 0
    for byte in name:
        code = (code << 4) + byte
        code = (code ^ (code & 0xF0000000) >> 24) & 0x0FFFFFFF
    return code
