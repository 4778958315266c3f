"""Core files made by hand, byte for byte, for what no real process gives: hostile headers, odd notes, cut-off
tables."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """A PT_LOAD: `data` is in the file, the rest of `size` is not."""

    start: int
    data: bytes = b""
    size: int = 0
    flags: int = 6


def note(kind: int, body: bytes, name: bytes = b"CORE") -> bytes:
    """Return one note."""
    name += b"\0"
    return struct.pack("<III", len(name), len(body), kind) + name + bytes(-len(name) % 4) + body + bytes(-len(body) % 4)


def prstatus64(lwp: int, **registers: int) -> bytes:
    """Return the body of an x86-64 NT_PRSTATUS: all registers 0 save these, by their place in user_regs_struct."""
    places = {"rip": 16, "rsp": 19, "fs_base": 21, "rax": 10}
    words = [0] * 27
    for name, value in registers.items():
        words[places[name]] = value
    return bytes(32) + struct.pack("<i", lwp) + bytes(76) + struct.pack("<27Q", *words) + bytes(8)


def prstatus32(lwp: int, eip: int, esp: int, gs: int) -> bytes:
    """Return the body of an i386 NT_PRSTATUS."""
    words = [0] * 17
    words[12], words[15], words[10] = eip, esp, gs
    return bytes(24) + struct.pack("<i", lwp) + bytes(44) + struct.pack("<17I", *words) + bytes(4)


def nt_file(entries: Sequence[tuple[int, int, int, str]], page: int = 4096, pointer_size: int = 8) -> bytes:
    """Return the body of NT_FILE: entries are (start, end, offset in bytes, path)."""
    letter = "Q" if pointer_size == 8 else "I"
    body = struct.pack(f"<2{letter}", len(entries), page)
    for start, end, offset, _ in entries:
        body += struct.pack(f"<3{letter}", start, end, offset // page)
    return body + b"".join(path.encode() + b"\0" for *_, path in entries)


def make_core(
    loads: Sequence[Load],
    notes: bytes = b"",
    *,
    pointer_size: int = 8,
    machine: int | None = None,
    extended: bool = False,
) -> bytes:
    """Return a whole core file; `extended` puts the number of segments into section 0, at the end, as for more than
    65534."""
    wide = pointer_size == 8
    machine = (62 if wide else 3) if machine is None else machine
    header, entry = (64, 56) if wide else (52, 32)
    at = header + entry * (len(loads) + 1)
    table, bodies = [(4, 0, at, 0, len(notes), 0)], notes
    for load in loads:
        size = max(load.size, len(load.data))
        table.append((1, load.flags, at + len(bodies), load.start, len(load.data), size))
        bodies += load.data
    program_headers = b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, offset, start, 0, stored, size, 1)
        if wide
        else struct.pack("<IIIIIIII", kind, offset, start, 0, stored, size, flags, 1)
        for kind, flags, offset, start, stored, size in table
    )
    sections = at + len(bodies) if extended else 0
    count = 0xFFFF if extended else len(table)
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    fixed = struct.pack("<HHI", 4, machine, 1)
    rest = struct.pack("<IHHHHHH", 0, header, entry, count, 64 if wide else 40, 1 if extended else 0, 0)
    middle = struct.pack("<QQQ" if wide else "<III", 0, header, sections)
    tail = b""
    if extended:
        tail = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 1, 0, len(table), 0, 0)
    return identity + fixed + middle + rest + program_headers + bodies + tail


def make_elf(build_id: bytes, body: bytes = b"", size: int = 0x3000) -> bytes:
    """Return an ELF64 shared object of three pages with that build-id: r--, r-x, rw-, each page at its own offset;
    `body` at 0x1000."""
    gnu = note(3, build_id, b"GNU")
    table = b"".join(
        struct.pack("<IIQQQQQQ", *fields)
        for fields in (
            (1, 4, 0, 0, 0, 0x1000, 0x1000, 0x1000),
            (1, 5, 0x1000, 0x1000, 0, 0x1000, 0x1000, 0x1000),
            (1, 6, 0x2000, 0x2000, 0, 0x1000, 0x1000, 0x1000),
            (4, 4, 0x200, 0x200, 0, len(gnu), len(gnu), 4),
        )
    )
    header = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 0, 0, 0)
    )
    data = bytearray(size)
    data[: len(header) + len(table)] = header + table
    data[0x200 : 0x200 + len(gnu)] = gnu
    data[0x1000 : 0x1000 + len(body)] = body
    return bytes(data)
