"""The wanted symbols of an ELF file, read from its symbol tables in bulk."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Any

from gdbheap.elf.opened_elf import data_of
from gdbheap.lazy import regex
from gdbheap.process.symbols import Symbol

# What ends a name: of a variable that is static within a function, a number behind it (next_to_use.5).
_END = regex(rb"(?:\.\d+)?\0")
STT_OBJECT, STT_TLS = 1, 6
# Chromium's table of names has 300 MB; a name of ours stands in a hundred thousand longer ones.
MAX_TABLE = 384 << 20
_MOST_PLACES = 200_000
LONGEST_NAME = 4096
SHN_UNDEF, SHN_ABS = 0, 0xFFF1


def read_symbols(elf: Any, wanted: Collection[str]) -> dict[str, Symbol]:
    """Return the wanted symbols that `elf` (an ELFFile) defines; .symtab's come before .dynsym's, a default version
    before an old one."""
    found: dict[str, Symbol] = {}
    for table in (".dynsym", ".symtab"):
        section = elf.get_section_by_name(table)
        if section is not None and section["sh_type"] != "SHT_NOBITS":
            found.update(_read_table(elf, section, {name.encode() for name in wanted}))
    return found


def thread_local_symbols(elf: Any) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, value, size) of every thread-local symbol that `elf` (an ELFFile) defines."""
    for table in (".dynsym", ".symtab"):
        section = elf.get_section_by_name(table)
        if section is not None and section["sh_type"] != "SHT_NOBITS":
            names = data_of(elf.get_section(section["sh_link"]), MAX_TABLE)
            for offset, value, size, info, index in _entries(elf, section):
                if index not in (SHN_UNDEF, SHN_ABS) and info & 15 == STT_TLS:
                    yield names[offset : offset + LONGEST_NAME].partition(b"\0")[0], value, size


def _read_table(elf: Any, section: Any, wanted: set[bytes]) -> dict[str, Symbol]:
    offsets = _offsets(data_of(elf.get_section(section["sh_link"]), MAX_TABLE), wanted)
    found = {}
    for offset, value, size, info, index in _entries(elf, section):
        name = offsets.get(offset)
        if name is not None and index not in (SHN_UNDEF, SHN_ABS):
            found[name] = Symbol(value, size, info & 15 == STT_TLS)
    return found


def _entries(elf: Any, section: Any) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield (offset of the name, value, size, info, section's index) of each symbol. pyelftools makes an object of
    each of 10,000 (0.3 s); one struct.iter_unpack takes a few ms."""
    entry = "IBBHQQ" if elf.elfclass == 64 else "IIIBBH"
    unpack = struct.Struct(("<" if elf.little_endian else ">") + entry)
    data = data_of(section, MAX_TABLE)
    for fields in unpack.iter_unpack(data[: len(data) - len(data) % unpack.size]):
        if elf.elfclass == 64:
            name, info, _, index, value, size = fields
        else:
            name, value, size, info, _, index = fields
        yield name, value, size, info, index


def _offsets(names: bytes, wanted: set[bytes]) -> dict[int, str]:
    """Return where in the string table each wanted name starts; a name may also be the tail of a longer one."""
    found = {}
    for name in wanted:
        at = -1
        for _ in range(_MOST_PLACES):
            at = names.find(name, at + 1)
            if at < 0:
                break
            if _END.match(names, at + len(name)):
                found[at] = name.decode()
    return found
