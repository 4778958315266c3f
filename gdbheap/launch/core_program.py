"""Which program left a core: read from its notes, because an older gdb does not look for it."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gdbheap.errors import HeapError

ET_CORE, PT_NOTE, NT_AUXV, NT_FILE, AT_ENTRY = 4, 4, 6, 0x46494C45, 9  # elf.h
MOST_NOTES = 100_000  # a note per thread and a few more; a bound for a broken file


class NotACore(HeapError):
    """The file is missing, cannot be read, or is no core."""


class _Words(NamedTuple):
    """How an ELF class (32 or 64 bits) lays things out."""

    header: str  # e_type ... e_phnum after e_ident
    program_header: str
    word: str


_CLASSES = {1: _Words("<HHIIIIIHHH", "<IIIIIIII", "I"), 2: _Words("<HHIQQQIHHH", "<IIQQQQQQ", "Q")}


def program_of(core: Path) -> Path | None:
    """Return the program that was running when `core` was made, if its notes say and the file still exists."""
    try:
        with open(core, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            entry, mapped = _read_notes(core, data)
    except (OSError, ValueError, struct.error) as error:
        raise NotACore(f"{core} cannot be read as a core: {getattr(error, 'strerror', None) or error}") from None
    for start, end, name in mapped:
        path = Path(os.fsdecode(name))
        if start <= entry < end and path.is_file():
            return path
    return None


def _read_notes(core: Path, data: mmap.mmap) -> tuple[int, list[tuple[int, int, bytes]]]:
    """Return AT_ENTRY of the auxiliary vector (0 if there is none) and the mapped files as (start, end, name)."""
    words = _CLASSES.get(data[4]) if data[:4] == b"\x7fELF" and len(data) > 64 else None
    if words is None or struct.unpack_from("<H", data, 16)[0] != ET_CORE:
        raise NotACore(f"{core} is not a core file")
    _, _, _, _, phoff, _, _, _, phentsize, phnum = struct.unpack_from(words.header, data, 16)
    entry, mapped = 0, []
    for index in range(phnum):
        fields = struct.unpack_from(words.program_header, data, phoff + index * phentsize)
        if fields[0] != PT_NOTE:
            continue
        # p_offset and p_filesz stand at the same places in both classes but for p_flags, which moved.
        offset, size = (fields[1], fields[4]) if words.word == "I" else (fields[2], fields[5])
        for kind, note in _notes(data[offset : offset + size]):
            if kind == NT_AUXV:
                entry = dict(struct.iter_unpack("<" + words.word * 2, note)).get(AT_ENTRY, 0)
            elif kind == NT_FILE:
                mapped = _mapped_files(note, words.word)
    return entry, mapped


def _notes(segment: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    for _ in range(MOST_NOTES):
        if position + 12 > len(segment):
            return
        name_size, size, kind = struct.unpack_from("<III", segment, position)
        begin = position + 12 + (name_size + 3) // 4 * 4
        yield kind, segment[begin : begin + size]
        position = begin + (size + 3) // 4 * 4


def _mapped_files(note: bytes, word: str) -> list[tuple[int, int, bytes]]:
    # count, page size, then (start, end, page offset) for each, then the names.
    width = struct.calcsize(word)
    count = min(struct.unpack_from("<" + word, note)[0], len(note) // (3 * width))
    ranges = [struct.unpack_from("<" + word * 3, note, 2 * width + index * 3 * width) for index in range(count)]
    names = note[2 * width + count * 3 * width :].split(b"\0")
    return [(start, end, name) for (start, end, _), name in zip(ranges, names)]
