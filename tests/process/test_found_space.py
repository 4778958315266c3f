"""The mappings of a target that does not tell them, out of a made memory: a static program, its heap, its stack."""

from __future__ import annotations

import struct
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.found_space import find_space
from gdbheap.process.images.auxv import AT_PHDR, AT_RANDOM
from gdbheap.process.memory import SMALLEST_PAGE as PAGE
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread

PROGRAM, DATA, BSS, HEAP, MAPPED = 0x400000, 0x402000, 0x404000, 0x1000000, 0x7F0000000000
STACK_POINTER, STACK_END = 0x7FFFFFFF0100, 0x7FFFFFFF3000
RANDOM = STACK_END - 0x100
PATH = "/usr/bin/program"


class ReadMemory(ImageMemory):
    """Memory that keeps which pages were asked for."""

    def __init__(self, segments):
        super().__init__(segments)
        self.asked = set()

    def read_into(self, address, buffer):
        self.asked.add(address & -PAGE)
        super().read_into(address, buffer)


def program():
    """Return the file's first page: code, data of a page and a half, and a bss up to 0x405800."""
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, PROGRAM, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    code = struct.pack("<IIQQQQQQ", 1, 5, 0, PROGRAM, PROGRAM, 0x1000, 0x1000, PAGE)
    data = struct.pack("<IIQQQQQQ", 1, 6, 0x2000, DATA, DATA, 0x1800, 0x3800, PAGE)
    return (header + code + data).ljust(PAGE, b"\0")


def made(heap=0x21000, pointers=(HEAP + 0x123, STACK_POINTER - 0x4000, 0x123456789000, 0xFFFF800000000000, 8)):
    words = struct.pack(f"<{len(pointers)}Q", *pointers)
    memory = ReadMemory(
        [
            (PROGRAM, program()),
            (DATA, words.ljust(0x4000, b"\0")),
            (HEAP, struct.pack("<Q", MAPPED + 0x5010).ljust(heap, b"\0")),
            (MAPPED + 0x5000, bytes(0x3000)),
            (STACK_POINTER & -PAGE, bytes(STACK_END - (STACK_POINTER & -PAGE))),
        ]
    )
    thread = Thread(1, 1, "", {}, STACK_POINTER, PROGRAM, None)
    return Process(
        "remote", X86_64, memory, AddressSpace(()), (thread,), auxv={AT_PHDR: PROGRAM + 64, AT_RANDOM: RANDOM}
    )


def test_modules_are_as_their_headers_tell_and_the_rest_is_where_pointers_lead():
    space = find_space(made(), PATH)
    assert [(vma.start, vma.end, vma.permissions, vma.path) for vma in space] == [
        (PROGRAM, PROGRAM + 0x1000, "r-xp", PATH),
        (DATA, BSS, "rw-p", PATH),
        (BSS, BSS + 0x2000, "rw-p", ""),
        (HEAP, HEAP + 0x21000, "rw-?", ""),
        (MAPPED + 0x5000, MAPPED + 0x8000, "rw-?", ""),
        (STACK_POINTER & -PAGE, STACK_END, "rw-?", "[stack]"),
    ]
    assert not space.known


def test_nothing_is_read_below_the_stack_which_would_make_it_grow():
    process = made()
    find_space(process, PATH)
    stack = STACK_POINTER & -PAGE
    assert [hex(page) for page in process.memory.asked if stack - (128 << 20) <= page < stack] == []


def test_without_a_program_there_is_nothing():
    process = made()
    for auxv in ({}, {AT_PHDR: HEAP + 64, AT_RANDOM: RANDOM}, {AT_PHDR: 0x999000}):
        assert not find_space(replace(process, auxv=auxv), PATH).vmas


class Endless:
    """A memory where every page can be read, but for the first one's file."""

    def __init__(self, memory):
        self._memory = memory

    def read(self, address, size):
        try:
            return self._memory.read(address, size)
        except MemoryFault:
            return bytes(size)

    def read_into(self, address, buffer):
        buffer[:] = self.read(address, len(buffer))


def test_a_mapping_without_an_end_is_given_up_and_no_half_heap_is_told():
    process = made()
    assert not find_space(replace(process, memory=Endless(process.memory)), PATH).vmas
