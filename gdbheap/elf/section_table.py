"""The sections of an ELF file by name, in three reads: whether a library has debug information is asked of every one,
and is to cost nothing."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from gdbheap.files import open_regular
from gdbheap.lazy import dataclass

_MOST_SECTIONS = 1 << 16
_MOST_NAMES = 1 << 22
_SHT_NOBITS = 8
_SHN_XINDEX = 0xFFFF
# Where the table is, and how long: e_shoff, e_shentsize, e_shnum, e_shstrndx.
_HEADERS = {1: "<32xI10xHHH", 2: "<40xQ10xHHH"}
# sh_name, sh_type, sh_addr, sh_offset, sh_size, sh_link.
_SECTIONS = {1: "<II4xIIII12x", 2: "<II8xQQQI20x"}


@dataclass(frozen=True)
class SectionPlace:
    """Where a section's contents are in the file, and in memory, as linked (0: nowhere). `is_there` is False for one
    whose contents are in another file."""

    offset: int
    size: int
    is_there: bool
    address: int = 0


def section_places(path: str) -> Mapping[str, SectionPlace]:
    """Return where the sections of a little-endian ELF file are; {} where it is none, or is damaged."""
    try:
        with open_regular(path) as file:
            return _read(file.fileno())
    except (OSError, struct.error, ValueError, OverflowError, MemoryError):
        return {}


def _read(descriptor: int) -> Mapping[str, SectionPlace]:
    head = os.pread(descriptor, 64, 0)
    if head[:4] != b"\x7fELF" or head[4] not in _HEADERS or head[5] != 1:
        return {}
    table, entry, count, names = struct.unpack_from(_HEADERS[head[4]], head.ljust(64, b"\0"))
    one = struct.Struct(_SECTIONS[head[4]])
    if not table or entry != one.size:
        return {}
    if count == 0 or names == _SHN_XINDEX:
        first = one.unpack(os.pread(descriptor, one.size, table))
        count, names = count or first[4], first[5] if names == _SHN_XINDEX else names
    if not names < count <= _MOST_SECTIONS:
        return {}
    data = os.pread(descriptor, entry * count, table)
    headers = [one.unpack_from(data, entry * each) for each in range(count)]
    _, _, _, offset, length, _ = headers[names]
    texts = os.pread(descriptor, min(length, _MOST_NAMES), offset)
    found: dict[str, SectionPlace] = {}
    for name, kind, address, offset, length, _ in headers:
        text = texts[name : texts.find(b"\0", name)].decode("latin-1")
        found.setdefault(text, SectionPlace(offset, length, kind != _SHT_NOBITS, address))
    return found
