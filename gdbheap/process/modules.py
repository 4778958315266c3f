"""The ELF files that a process has mapped, found in its own memory: no linker list is needed, so it works before ld.so has run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import Memory
from gdbheap.process.process import Module

# Elf64_Ehdr / Elf32_Ehdr and their program headers (the ELF specification): where each member lies, as (offset, size), by EI_CLASS.
_EHDR = {
    2: {"e_phoff": (32, 8), "e_phentsize": (54, 2), "e_phnum": (56, 2)},
    1: {"e_phoff": (28, 4), "e_phentsize": (42, 2), "e_phnum": (44, 2)},
}
_PHDR = {
    2: {"p_type": (0, 4), "p_offset": (8, 8), "p_vaddr": (16, 8), "p_filesz": (32, 8)},
    1: {"p_type": (0, 4), "p_offset": (4, 4), "p_vaddr": (8, 4), "p_filesz": (16, 4)},
}
_PT_LOAD = 1
_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_MOST_HEADERS = 64
_MOST_NOTES = 1 << 16


def find_modules(memory: Memory, space: AddressSpace, open_as: Callable[[str, str], str | None]) -> tuple[Module, ...]:
    """Return a Module for each file whose ELF header is mapped, in order of address.

    `open_as(path, build_id)` says where the file can be opened here. What cannot be read is left out.
    """
    found = []
    for vma in space:
        if vma.offset != 0 or not vma.path or vma.path.startswith("[") or not vma.readable:
            continue
        try:
            module = _read_module(memory, vma)
        except MemoryFault:
            continue
        if module is not None:
            found.append(replace(module, file=open_as(module.path, module.build_id)))
    return tuple(found)


def main_module(modules: tuple[Module, ...], space: AddressSpace, entry: int | None) -> Module | None:
    """Return the module that holds the program's entry point (AT_ENTRY), or None."""
    vma = None if entry is None else space.find(entry)
    if vma is None:
        return None
    return next((each for each in modules if each.path == vma.path), None)


def _read_module(memory: Memory, vma: VMA) -> Module | None:
    header = memory.read(vma.start, 64)
    if header[:4] != b"\x7fELF" or header[4] not in _EHDR:
        return None
    elf_class = header[4]
    ehdr = _EHDR[elf_class]
    size = _take(header, 0, ehdr["e_phentsize"])
    count = min(_take(header, 0, ehdr["e_phnum"]), _MOST_HEADERS)
    table = memory.read(vma.start + _take(header, 0, ehdr["e_phoff"]), size * count)
    headers = [
        {name: _take(table, index * size, place) for name, place in _PHDR[elf_class].items()} for index in range(count)
    ]
    first = next((each for each in headers if each["p_type"] == _PT_LOAD), None)
    if first is None:
        return None
    base = (vma.start - (first["p_vaddr"] - first["p_offset"])) % (1 << (64 if elf_class == 2 else 32))
    notes = [each for each in headers if each["p_type"] == _PT_NOTE]
    return Module(vma.path, None, base, _build_id(memory, base, notes))


def _build_id(memory: Memory, base: int, headers: list[dict[str, int]]) -> str:
    for header in headers:
        if header["p_filesz"] > _MOST_NOTES:
            continue
        try:
            data = memory.read(base + header["p_vaddr"], header["p_filesz"])
        except MemoryFault:
            continue
        for name, kind, content in _notes(data):
            if kind == _NT_GNU_BUILD_ID and name == b"GNU\0":
                return content.hex()
    return ""


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at + 12 <= len(data):
        name_size, content_size, kind = (_take(data, at, (offset, 4)) for offset in (0, 4, 8))
        name = at + 12
        content = name + (name_size + 3) // 4 * 4
        yield data[name : name + name_size], kind, data[content : content + content_size]
        at = content + (content_size + 3) // 4 * 4


def _take(data: bytes, base: int, place: tuple[int, int]) -> int:
    offset, size = place
    return int.from_bytes(data[base + offset : base + offset + size], "little")
