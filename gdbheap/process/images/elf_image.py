"""An ELF file as it lies in a process's memory: its segments and its dynamic section. No file is opened."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.images.elf_headers import (
    HEADER_SIZE,
    PF_W,
    PT_DYNAMIC,
    PT_LOAD,
    parse_elf_header,
    parse_program_headers,
)
from gdbheap.process.process import Module, Process

MAX_SEGMENTS = 256
MAX_DYNAMIC = 1024


@dataclass(frozen=True)
class Segment:
    """A program header: `address` and `size` in the process (memsz), `file_size` of it from the file."""

    kind: int
    flags: int
    address: int
    size: int
    file_size: int
    alignment: int


@dataclass(frozen=True)
class ElfImage:
    """The segments of a loaded module, with addresses as they are in the process."""

    load_base: int
    segments: tuple[Segment, ...]

    def find(self, kind: int) -> Segment | None:
        """Return the first segment of a kind, or None."""
        return next((each for each in self.segments if each.kind == kind), None)

    def writable(self) -> list[tuple[int, int]]:
        """Return the [start, end) of the segments that may be written: data and bss."""
        loads = [each for each in self.segments if each.kind == PT_LOAD and each.flags & PF_W]
        return [(each.address, each.address + each.size) for each in loads]

    def holds(self, address: int) -> bool:
        """Whether a loaded segment covers `address`."""
        return any(
            each.kind == PT_LOAD and each.address <= address < each.address + each.size for each in self.segments
        )


def read_image(process: Process, module: Module) -> ElfImage | None:
    """Return the module's segments as its ELF header in memory tells them, or None where that cannot be read or
    makes no sense."""
    for header in _headers(process, module):
        try:
            segments = _segments(process, header, module.load_base)
        except MemoryFault:
            continue
        if any(each.kind == PT_LOAD for each in segments):
            return ElfImage(module.load_base, segments)
    return None


def read_dynamic(process: Process, image: ElfImage) -> dict[int, int]:
    """Return the dynamic section as {tag: value}, the last of each tag; {} where there is none or it cannot be read."""
    segment = image.find(PT_DYNAMIC)
    if segment is None:
        return {}
    count = min(segment.size // (2 * process.pointer_size), MAX_DYNAMIC)
    try:
        words = process.words.read_many(segment.address, count * 2)
    except MemoryFault:
        return {}
    entries = {}
    for tag, value in zip(words[::2], words[1::2]):
        if tag == 0:
            break
        entries[tag] = value
    return entries


def _headers(process: Process, module: Module) -> Iterator[int]:
    """Yield where the ELF header may lie: at the load base, or at the file's first mapping (an executable that is
    not PIE)."""
    if module.load_base:
        yield module.load_base
    for vma in process.address_space:
        if vma.path == module.path and vma.offset == 0 and vma.start != module.load_base:
            yield vma.start


def _segments(process: Process, header: int, load_base: int) -> tuple[Segment, ...]:
    """Read the program headers; raise MemoryFault."""
    elf = parse_elf_header(process.memory.read(header, HEADER_SIZE))
    if elf is None or elf.pointer_size != process.pointer_size or not 0 < elf.count <= MAX_SEGMENTS:
        return ()
    table = process.memory.read(header + elf.table, elf.entry * elf.count)
    mask = (1 << 8 * process.pointer_size) - 1
    return tuple(
        Segment(each.kind, each.flags, (each.address + load_base) & mask, each.size, each.file_size, each.alignment)
        for each in parse_program_headers(elf, table)
    )
