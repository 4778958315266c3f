"""The ELF files that a process has mapped, found in its own memory: no linker list is needed, so it works before
ld.so has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gdbheap.elf.elf_facts import ElfFacts, read_elf_facts
from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.images.elf_headers import permissions_of
from gdbheap.process.memory import Memory
from gdbheap.process.process import Module, ModuleSegment

# An address is a number of 64 bits, one behind it too.
_END = 1 << 64


def find_modules(memory: Memory, space: AddressSpace, open_as: Callable[[str, str], str | None]) -> tuple[Module, ...]:
    """Return a Module for each file whose ELF header is mapped, in order of address.

    `open_as(path, build_id)` says where the file can be opened here. What cannot be read is left out.
    """
    found = []
    for vma in space:
        if vma.offset == 0 and vma.is_file and vma.readable:
            facts = _facts(memory, vma)
            if facts.loads:
                file = open_as(vma.path, facts.build_id)
                base = vma.start - facts.first_address
                relro = (base + facts.relro[0], base + sum(facts.relro)) if facts.relro else None
                found.append(Module(vma.path, file, base, facts.build_id, tuple(segments_of(base, facts)), relro))
    return tuple(found)


def main_module(modules: tuple[Module, ...], space: AddressSpace, entry: int | None) -> Module | None:
    """Return the module that holds the program's entry point (AT_ENTRY), or None."""
    vma = None if entry is None else space.find(entry)
    if vma is None:
        return None
    return next((each for each in modules if each.path == vma.path), None)


def segments_of(base: int, facts: ElfFacts) -> Iterator[ModuleSegment]:
    """Yield where the file's segments lie; one that can lie nowhere, whatever its headers say, does not."""
    for address, file_size, size, flags in facts.loads:
        start = base + address
        if not 0 <= start <= start + max(size, file_size) < _END:
            continue
        yield ModuleSegment(start, start + file_size, start + size, permissions_of(flags))


def _facts(memory: Memory, vma: VMA) -> ElfFacts:
    def read(offset: int, size: int) -> bytes:
        try:
            return memory.read(vma.start + offset, min(size, vma.size - offset))
        except MemoryFault:
            return b""

    return read_elf_facts(read)
