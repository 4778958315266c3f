"""Variables of libraries that lie in the program: where its code uses one, the linker makes room for it there, and the
dynamic linker copies it (R_X86_64_COPY, R_AARCH64_COPY)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from gdbheap.elf.section_table import SectionPlace, section_places
from gdbheap.files import open_regular

_COPIES = (5, 1024)  # R_X86_64_COPY and R_386_COPY alike, R_AARCH64_COPY
_MOST = 64 << 20
_LONGEST_NAME = 1 << 12
# By the name of the section: the entries' form (offset, info), and how far up in info the symbol's number is.
_RELOCATIONS = {".rela.dyn": (struct.Struct("<QQ8x"), 32), ".rel.dyn": (struct.Struct("<II"), 8)}
# Of a symbol table's entry of that size: the offset of its name.
_SYMBOL_SIZES = {".rela.dyn": 24, ".rel.dyn": 16}


def copied_variables(path: str) -> dict[str, int]:
    """Return the addresses in the program's file of the variables that it has copies of, by their linked names; {}
    where that cannot be read."""
    places = section_places(path)
    name = next((each for each in _RELOCATIONS if each in places), "")
    if not name or ".dynsym" not in places or ".dynstr" not in places:
        return {}
    try:
        with open_regular(path) as file:
            relocations, symbols, texts = (
                _contents(file.fileno(), places[each]) for each in (name, ".dynsym", ".dynstr")
            )
    except (OSError, OverflowError):
        return {}
    return dict(_copied(name, relocations, symbols, texts))


def _contents(descriptor: int, place: SectionPlace) -> bytes:
    return os.pread(descriptor, min(place.size, _MOST), place.offset) if place.is_there else b""


def _copied(section: str, relocations: bytes, symbols: bytes, texts: bytes) -> Iterator[tuple[str, int]]:
    form, shift = _RELOCATIONS[section]
    for offset, info in form.iter_unpack(relocations[: len(relocations) // form.size * form.size]):
        symbol = (info >> shift) * _SYMBOL_SIZES[section]
        if info & ((1 << shift) - 1) in _COPIES and symbol + 4 <= len(symbols):
            start = int.from_bytes(symbols[symbol : symbol + 4], "little")
            end = texts.find(b"\0", start, start + _LONGEST_NAME)
            if end > start:
                yield texts[start:end].decode("utf-8", "replace"), offset
