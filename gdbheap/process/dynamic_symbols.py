"""What a loaded module says of itself to the dynamic linker: its name (DT_SONAME), and whether it defines a symbol.
Read from memory.

A look into the hash table takes a few words, as the dynamic linker's own does (do_lookup_x() in elf/dl-lookup.c); no
symbol table is read through.
"""

from __future__ import annotations

import struct

from gdbheap.errors import MemoryFault
from gdbheap.process.images.elf_image import ElfImage, read_dynamic
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process

DT_HASH, DT_STRTAB, DT_SYMTAB, DT_SONAME, DT_GNU_HASH = 4, 5, 6, 14, 0x6FFFFEF5
# No honest chain of a hash table is longer, nor an honest name.
_MOST_CHAINED = 4096
_LONGEST = 256
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10


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
        try:
            return self._is_in_gnu_table(name.encode()) or self._is_in_table(name.encode())
        except (MemoryFault, OverflowError, ZeroDivisionError):
            return False

    def _table(self, tag: int) -> int:
        """Return where a table is, 0 for none: the dynamic linker has made an address of the entry, unless it has
        yet to run."""
        value = self._entries.get(tag, 0)
        return value if not value or self._image.holds(value) else value + self._image.load_base

    def _is_in_gnu_table(self, name: bytes) -> bool:
        table = self._table(DT_GNU_HASH)
        if not table:
            return False
        code, pointer_size = _gnu_hash(name), self._process.pointer_size
        buckets, first, bloom, _ = struct.unpack("<4I", self._process.memory.read(table, 16))
        bucket = table + 16 + bloom * pointer_size + code % buckets * 4
        index = self._number(bucket)
        for at in range(index, index + _MOST_CHAINED) if index >= first else ():
            found = self._number(table + 16 + bloom * pointer_size + 4 * (buckets + at - first))
            if found | 1 == code | 1 and self._is(at, name):
                return True
            if found & 1:
                break
        return False

    def _is_in_table(self, name: bytes) -> bool:
        table = self._table(DT_HASH)
        if not table:
            return False
        buckets = self._number(table)
        index = self._number(table + 8 + _sysv_hash(name) % buckets * 4)
        for _ in range(_MOST_CHAINED):
            if not index or self._is(index, name):
                return index != 0
            index = self._number(table + 8 + 4 * (buckets + index))
        return False

    def _is(self, index: int, name: bytes) -> bool:
        """Whether the symbol of that index is defined here, and so called."""
        wide = self._process.pointer_size == 8
        size = 24 if wide else 16
        entry = self._process.memory.read(self._table(DT_SYMTAB) + index * size, size)
        offset, info, section = struct.unpack("<IBxH" if wide else "<I8xBxH", entry[: 8 if wide else 16])
        if not section or info >> 4 not in (_GLOBAL, _WEAK, _UNIQUE):
            return False
        return text_at(self._process.memory, self._table(DT_STRTAB) + offset, len(name) + 1) == name

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
