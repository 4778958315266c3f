"""ELF's own header and program headers, decoded from bytes wherever these are from: a file, a core, a process's
memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from gdbheap.lazy import dataclass

# elf.h
ET_CORE = 4
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_TLS, PT_GNU_RELRO = 1, 2, 3, 4, 7, 0x6474E552
PF_X, PF_W, PF_R = 1, 2, 4

# As many bytes as the header of a 64-bit file has; that of a 32-bit one is shorter.
HEADER_SIZE = 64

_HEADERS = {1: struct.Struct("<16xHHIIIIIHHH"), 2: struct.Struct("<16xHHIQQQIHHH")}
_PROGRAM_HEADERS = {4: struct.Struct("<IIIIIIII"), 8: struct.Struct("<IIQQQQQQ")}


@dataclass(frozen=True)
class ElfHeader:
    """`word` is 4 or 8 bytes; `kind` e_type, `machine` e_machine. The program headers are `count` entries of `entry`
    bytes each, from `table` on, the section headers begin at `sections`; these are as the file claims them."""

    pointer_size: int
    kind: int
    machine: int
    table: int
    sections: int
    entry: int
    count: int


@dataclass(frozen=True)
class ProgramHeader:
    """`kind` is a PT_, `flags` are PF_R, PF_W, PF_X; `offset` and `file_size` in the file, `address` and `size` in
    memory."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    size: int
    alignment: int


def parse_elf_header(data: bytes) -> ElfHeader | None:
    """Return the header that `data` begins with; None where it is none of a little-endian ELF file, or is cut off."""
    layout = _HEADERS.get(data[4]) if len(data) > 5 and data[:4] == b"\x7fELF" and data[5] == 1 else None
    if layout is None or len(data) < layout.size:
        return None
    kind, machine, _, _, table, sections, _, _, entry, count = layout.unpack_from(data)
    header = ElfHeader(8 if data[4] == 2 else 4, kind, machine, table, sections, entry, count)
    return header if entry >= _PROGRAM_HEADERS[header.pointer_size].size or not count else None


def parse_program_headers(header: ElfHeader, table: bytes) -> Iterator[ProgramHeader]:
    """Yield the entries of the bytes of a table, as far as they are whole. An entry may be longer than what is known
    of it."""
    layout = _PROGRAM_HEADERS[header.pointer_size]
    for at in range(0, len(table) - layout.size + 1, max(header.entry, layout.size)):
        fields = layout.unpack_from(table, at)
        if header.pointer_size == 8:
            kind, flags, offset, address, _, file_size, size, alignment = fields
        else:
            kind, offset, address, _, file_size, size, flags, alignment = fields
        yield ProgramHeader(kind, flags, offset, address, file_size, size, alignment)


def permissions_of(flags: int) -> str:
    """Return a segment's flags as /proc/PID/maps writes them ("r-x"), without the sharing."""
    return "".join(letter if flags & bit else "-" for letter, bit in (("r", PF_R), ("w", PF_W), ("x", PF_X)))
