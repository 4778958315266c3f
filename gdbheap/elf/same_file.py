"""Whether a file of this machine is the one that a core's process had mapped, where the core has no ELF header (and
no build-id) to tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gdbheap.process.images.elf_headers import (
    HEADER_SIZE,
    PT_DYNAMIC,
    PT_LOAD,
    ElfHeader,
    ProgramHeader,
    parse_elf_header,
    parse_program_headers,
)
from gdbheap.process.memory import SMALLEST_PAGE, WORD_FORMATS

Read = Callable[[int, int], bytes]
# [start, end) of memory is the file from an offset on.
Mapped = tuple[int, int, int]

_MAX_HEADERS = 256
_MAX_DYNAMIC = 1 << 16
_DT_DEBUG = 21


def is_same_file(read_file: Read, read_core: Read, mapped: Sequence[Mapped]) -> bool:
    """Whether the file lies in memory as the `mapped` entries of its name say, and its dynamic section is what the core
    has there.

    The addresses and sizes of all tables of the dynamic linker's are in that section, which hardly any two builds
    share. The dynamic linker has added the load base to some of them. `read_core(address, size)` gives what the core
    holds itself.
    """
    header = parse_elf_header(read_file(0, HEADER_SIZE))
    if header is None or header.count > _MAX_HEADERS:
        return False
    headers = list(parse_program_headers(header, read_file(header.table, header.entry * header.count)))
    loads = [each for each in headers if each.kind == PT_LOAD]
    starts = [start for start, _, offset in mapped if offset == 0]
    if not loads or not starts:
        return False
    base = min(starts) - (loads[0].address & -SMALLEST_PAGE)
    if not all(_lies_there(each, base, mapped) for each in loads if each.file_size):
        return False
    return all(
        _is_same_section(header, each, base, read_file, read_core) for each in headers if each.kind == PT_DYNAMIC
    )


def _lies_there(load: ProgramHeader, base: int, mapped: Iterable[Mapped]) -> bool:
    page = base + load.address & -SMALLEST_PAGE
    return any(
        start <= page < end and offset + page - start == load.offset & -SMALLEST_PAGE for start, end, offset in mapped
    )


def _is_same_section(header: ElfHeader, section: ProgramHeader, base: int, read_file: Read, read_core: Read) -> bool:
    size = min(section.file_size, _MAX_DYNAMIC)
    here, there = read_file(section.offset, size), read_core(base + section.address, size)
    if len(here) != size or len(there) != size or size % (2 * header.pointer_size):
        return False
    ours, theirs = (_words(data, header.pointer_size) for data in (here, there))
    mask = (1 << 8 * header.pointer_size) - 1
    return all(
        tag == their_tag and (tag == _DT_DEBUG or their_value in (value, value + base & mask))
        for tag, their_tag, value, their_value in zip(ours[::2], theirs[::2], ours[1::2], theirs[1::2])
    )


def _words(data: bytes, size: int) -> memoryview:
    return memoryview(data).cast(WORD_FORMATS[size])
