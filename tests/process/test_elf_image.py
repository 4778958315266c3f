"""What is read of a module, its linker record, its threads' blocks and stacks in memory that may hold anything."""

from __future__ import annotations

import os
import random
import struct

from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.images.elf_headers import PT_DYNAMIC, PT_INTERP, PT_LOAD, PT_TLS
from gdbheap.process.images.elf_image import ElfImage, Segment, read_dynamic, read_image
from gdbheap.process.images.link_map import TlsPlace, find_tls, link_maps
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Module, Process, Thread
from gdbheap.process.threads.thread_pointers import find_thread_pointers
from gdbheap.process.threads.thread_stacks import StackBlock, stack_blocks

PROGRAM, LIBC, STACK = 0x40_0000, 0x70_0000, 0x90_0000
DYNAMIC, R_DEBUG, MAPS = PROGRAM + 0x1000, PROGRAM + 0x1100, PROGRAM + 0x2000
LIBC_TLS, LIBC_DYNAMIC = 0x2400, 0x2800
POINTER = STACK + 0x7000
FILES = {PROGRAM: "/bin/program", LIBC: "/lib/libc.so.6"}


def header(*segments: tuple[int, int, int, int, int, int]) -> bytes:
    """An ELF header (64-bit) and the program headers: (type, flags, vaddr, filesz, memsz, align)."""
    start = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    return start + b"".join(
        struct.pack("<IIQQQQQQ", kind, flags, 0, address, 0, in_file, size, alignment)
        for kind, flags, address, in_file, size, alignment in segments
    )


class Made:
    """A program and a libc that the linker knows, and a second thread's stack."""

    def __init__(self) -> None:
        self.bytes = {PROGRAM: bytearray(0x4000), LIBC: bytearray(0x4000), STACK: bytearray(0x8000)}
        self.put(
            PROGRAM,
            header(
                (PT_INTERP, 4, 0x200, 9, 9, 1),
                (PT_LOAD, 6, 0, 0x4000, 0x4000, 4096),
                (PT_DYNAMIC, 6, 0x1000, 64, 64, 8),
            ),
        )
        tls = (PT_TLS, 4, LIBC_TLS, 0x10, 0x90, 8)
        self.put(
            LIBC,
            header(
                (PT_LOAD, 5, 0, 0x2000, 0x2000, 4096),
                (PT_LOAD, 6, 0x2000, 0x1000, 0x2000, 4096),
                (PT_DYNAMIC, 6, LIBC_DYNAMIC, 64, 64, 8),
                tls,
            ),
        )
        self.put(DYNAMIC, struct.pack("<6Q", 12, 1, 21, R_DEBUG, 0, 0))
        self.put(R_DEBUG, struct.pack("<2Q", 1, MAPS))
        self.put(MAPS, struct.pack("<5Q", 0, 0, PROGRAM + 0x1000, MAPS + 0x800, 0))
        self.put(MAPS + 0x800, struct.pack("<5Q", LIBC, 0, LIBC + LIBC_DYNAMIC, 0, MAPS))
        self.put(MAPS + 0x800 + 0x460, struct.pack("<7Q", LIBC + LIBC_TLS, 0x10, 0x90, 8, 0, 0x90, 1))
        self.put(POINTER, struct.pack("<3Q", POINTER, 0, POINTER))
        self.put(POINTER + 0x2D0, struct.pack("<I", 77))
        self.put(POINTER + 0x690, struct.pack("<3Q", STACK, 0x8000, 0x1000))

    def put(self, address: int, data: bytes) -> None:
        start = max(each for each in self.bytes if each <= address)
        self.bytes[start][address - start : address - start + len(data)] = data

    def process(self) -> Process:
        modules = tuple(Module(path, None, start) for start, path in FILES.items())
        return Process(
            kind="core",
            machine=X86_64,
            memory=ImageMemory([(start, bytes(data)) for start, data in self.bytes.items()]),
            address_space=AddressSpace(
                VMA(s, s + len(d), "rw-p", path=FILES.get(s, "")) for s, d in self.bytes.items()
            ),
            threads=(Thread(1, 77, "", {}, STACK + 0x5000, 0, None),),
            modules=modules,
            main=modules[0],
        )


def test_segments_come_with_their_addresses_in_the_process():
    process = Made().process()
    image = read_image(process, process.modules[1])
    assert image is not None
    assert image.find(PT_TLS) == Segment(PT_TLS, 4, LIBC + LIBC_TLS, 0x90, 0x10, 8)
    assert image.writable() == [(LIBC + 0x2000, LIBC + 0x4000)]
    assert (image.holds(LIBC + 0x3FFF), image.holds(LIBC + 0x4000)) == (True, False)


def test_a_module_that_is_not_mapped_has_no_image():
    process = Made().process()
    assert read_image(process, Module("/lib/other.so", None, 0x12345000)) is None


def test_libcs_tls_block_is_found_in_the_linkers_record():
    process = Made().process()
    image = read_image(process, process.modules[1])
    assert image is not None
    assert find_tls(process, image) == TlsPlace(offset=0x90, module_id=1, size=0x90)


def test_a_ring_of_link_maps_ends():
    made = Made()
    made.put(MAPS + 0x800 + 24, struct.pack("<Q", MAPS))
    assert list(link_maps(made.process())) == [MAPS, MAPS + 0x800]


def test_a_thread_pointer_is_found_by_its_block_and_the_stack_by_what_that_says():
    process = Made().process()
    assert find_thread_pointers(process) == {77: POINTER}
    assert stack_blocks(process, {77: POINTER}) == [StackBlock(STACK, STACK + 0x8000, 0x1000, POINTER)]


def test_an_ended_threads_stack_is_found_by_its_block_alone():
    made = Made()
    made.put(POINTER + 0x2D0, struct.pack("<I", 0))
    process = made.process()
    assert stack_blocks(process, {}) == [StackBlock(STACK, STACK + 0x8000, 0x1000, POINTER, is_free=True)]


def test_a_thread_of_another_pid_namespace_is_found_by_its_stack():
    made = Made()
    made.put(POINTER + 0x2D0, struct.pack("<I", 5))
    assert find_thread_pointers(made.process()) == {77: POINTER}


def test_anything_in_memory_is_read_to_an_end():
    seed = os.environ.get("GDBHEAP_SEED", "1")
    print("seed", seed)
    choose = random.Random(seed)
    interesting = [0, 1, PROGRAM, LIBC, STACK, POINTER, MAPS, DYNAMIC, 2**32 - 1, 2**63, 2**64 - 1, 2**64 - 8]
    for _ in range(400):
        made = Made()
        for _ in range(choose.choice((1, 4, 20))):
            start = choose.choice(
                (PROGRAM, PROGRAM + 32, DYNAMIC, MAPS, MAPS + 0xC50, LIBC, LIBC + 64, POINTER, POINTER + 0x680)
            )
            made.put(start + 8 * choose.randrange(16), choose.choice(interesting).to_bytes(8, "little"))
        process = made.process()
        for module in process.modules:
            image = read_image(process, module)
            if image is not None:
                assert isinstance(image, ElfImage)
                assert len(read_dynamic(process, image)) <= 1024
                find_tls(process, image)
        assert len(list(link_maps(process))) <= 8192
        pointers = find_thread_pointers(process)
        assert all(block.start < block.end for block in stack_blocks(process, {77: POINTER, **pointers}))


def test_parts_of_a_range_are_what_is_mapped_of_it():
    space = Made().process().address_space
    assert list(space.parts(0, 1 << 64)) == [(v.start, v.end) for v in space]
    assert list(space.parts(LIBC + 8, STACK + 8)) == [(LIBC + 8, LIBC + 0x4000), (STACK, STACK + 8)]
    assert list(space.parts(LIBC + 0x4000, STACK)) == []
