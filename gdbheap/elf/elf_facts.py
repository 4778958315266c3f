"""What the first page of a mapped ELF file tells, wherever its bytes are from: a core, a process, the file itself."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import (
    HEADER_SIZE,
    PT_GNU_RELRO,
    PT_LOAD,
    PT_NOTE,
    parse_elf_header,
    parse_program_headers,
)
from gdbheap.process.memory import SMALLEST_PAGE

_NT_GNU_BUILD_ID = 3
# More program headers than this in a *mapped* file, or a longer note, is no honest ELF file.
_MAX_HEADERS = 256
_MAX_NOTE = 1 << 16
_MAX_BUILD_ID = 64


@dataclass(frozen=True)
class ElfFacts:
    """What the first page of an ELF file tells: the build-id in hex ("" none), the page-aligned address of its first
    PT_LOAD, the PT_LOADs as (address, file size, memory size, flags), PT_GNU_RELRO as (address, memory size)."""

    build_id: str = ""
    first_address: int = 0
    loads: tuple[tuple[int, int, int, int], ...] = ()
    relro: tuple[int, int] | None = None


def read_elf_facts(read: Callable[[int, int], bytes]) -> ElfFacts:
    """Return the facts of the ELF file of which `read(offset, size)` gives bytes, fewer or none where it has no
    more."""
    header = parse_elf_header(read(0, HEADER_SIZE))
    if header is None or header.count > _MAX_HEADERS:
        return ElfFacts()
    build_id, first, loads, relro = "", None, [], None
    for each in parse_program_headers(header, read(header.table, header.entry * header.count)):
        if each.kind == PT_LOAD:
            loads.append((each.address, each.file_size, each.size, each.flags))
            first = each.address & -SMALLEST_PAGE if first is None else first
        elif each.kind == PT_GNU_RELRO:
            relro = (each.address, each.size)
        elif each.kind == PT_NOTE and not build_id and each.file_size <= _MAX_NOTE:
            build_id = build_id_in(read(each.offset, each.file_size))
    return ElfFacts(build_id, first or 0, tuple(loads), relro)


def build_id_in(notes: bytes) -> str:
    """Return the build-id that is among the notes, in hex, "" for none."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        body = at + 12 + (name_size + 3 & ~3)
        if kind == _NT_GNU_BUILD_ID and notes[at + 12 : at + 16] == b"GNU\0":
            return notes[body : body + min(size, _MAX_BUILD_ID)].hex()
        at = body + (size + 3 & ~3)
    return ""
