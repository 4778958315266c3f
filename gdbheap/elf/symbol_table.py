"""The wanted symbols of an ELF file, read from its symbol tables in bulk."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from typing import Any

from gdbheap.process.symbols import Symbol

# What ends a name: of a variable that is static within a function, a number behind it (next_to_use.5).
_END = re.compile(rb"(?:\.\d+)?\0")
STT_OBJECT, STT_TLS = 1, 6
SHN_UNDEF, SHN_ABS = 0, 0xFFF1


def read_symbols(elf: Any, wanted: Collection[str]) -> dict[str, Symbol]:
    """Return the wanted symbols that `elf` (an ELFFile) defines; .symtab's come before .dynsym's, a default version before an old one."""
    found: dict[str, Symbol] = {}
    for table in (".dynsym", ".symtab"):
        section = elf.get_section_by_name(table)
        if section is not None and section["sh_type"] != "SHT_NOBITS":
            found.update(_read_table(elf, section, {name.encode() for name in wanted}))
    return found


def _read_table(elf: Any, section: Any, wanted: set[bytes]) -> dict[str, Symbol]:
    """pyelftools makes an object of each of 10,000 symbols (0.3 s); one struct.iter_unpack takes a few ms."""
    entry = "IBBHQQ" if elf.elfclass == 64 else "IIIBBH"
    unpack = struct.Struct(("<" if elf.little_endian else ">") + entry)
    data = section.data()
    data = data[: len(data) - len(data) % unpack.size]
    names = elf.get_section(section["sh_link"]).data()
    offsets = _offsets(names, wanted)
    found = {}
    for fields in unpack.iter_unpack(data):
        name = offsets.get(fields[0])
        if name is None:
            continue
        _, value, size, info, _, index = fields if elf.elfclass == 32 else _in_order_of_32(fields)
        if index not in (SHN_UNDEF, SHN_ABS):
            found[name] = Symbol(value, size, info & 15 == STT_TLS)
    return found


def _in_order_of_32(fields: tuple[int, ...]) -> tuple[int, ...]:
    name, info, other, index, value, size = fields
    return name, value, size, info, other, index


def _offsets(names: bytes, wanted: set[bytes]) -> dict[int, str]:
    """Return where in the string table each wanted name starts; a name may also be the tail of a longer one."""
    found = {}
    for name in wanted:
        at = -1
        while (at := names.find(name, at + 1)) >= 0:
            if _END.match(names, at + len(name)):
                found[at] = name.decode()
    return found
