"""A process made of bytes: libc's data with main_arena and mp_, a heap with a tcache in it, one thread; of any glibc
generation."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gdbheap.machine.machines import machine_of_size
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.cstruct import CStruct
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Module, Process, Thread

LIBC = "/lib/libc.so.6"
DATA, HEAP, TLS = 0x6000_0000, 0x5000_0000, 0x7000_0000
MP, ARENA = DATA + 0x280, DATA + 0xB80
TOP = HEAP + 0x2000
HEAP_END = HEAP + 0x21000
POINTER = TLS + 0x2F00


@dataclass
class MadeProcess:
    """The bytes of each mapping, to be changed before `process()` is asked for."""

    pointer_size: int
    state: CStruct
    par: CStruct
    tcache: CStruct | None
    alignment: int = 16

    def __post_init__(self) -> None:
        self.data, self.heap, self.tls = bytearray(0x3000), bytearray(0x21000), bytearray(0x4000)
        self.brk = HEAP_END
        self._fill_arena()
        self._fill_mp()
        if self.tcache is not None:
            self._fill_tcache()
        self.put(self.heap, TOP - HEAP + self.pointer_size, HEAP_END - TOP | 1)

    @property
    def first(self) -> int:
        """The heap's first chunk."""
        return -(-(HEAP + 2 * self.pointer_size) // self.alignment) * self.alignment - 2 * self.pointer_size

    def put(self, place: bytearray, offset: int, *values: int) -> None:
        """Write words."""
        struct.pack_into(f"<{len(values)}{'Q' if self.pointer_size == 8 else 'I'}", place, offset, *values)

    def put_member(self, place: bytearray, offset: int, of: CStruct, member: str, value: int) -> None:
        field = of[member]
        place[offset + field.offset : offset + field.offset + field.item_size] = value.to_bytes(
            field.item_size, "little"
        )

    def _fill_arena(self) -> None:
        at, bins = ARENA - DATA, self.state.offset("bins")
        for index in range(127):
            head = ARENA + bins + (2 * index - 2) * self.pointer_size
            self.put(self.data, at + bins + 2 * index * self.pointer_size, head, head)
        members = {"top": TOP, "next": ARENA, "attached_threads": 1, "system_mem": HEAP_END - HEAP}
        for name, value in {**members, "max_system_mem": HEAP_END - HEAP}.items():
            self.put_member(self.data, at, self.state, name, value)

    def _fill_mp(self) -> None:
        members = {"trim_threshold": 0x20000, "top_pad": 0x20000, "mmap_threshold": 0x20000}
        members.update(
            arena_test=8 if self.pointer_size == 8 else 2, n_mmaps_max=0x10000, sbrk_base=HEAP, max_total_mem=0
        )
        members.update(tcache_bins=64, tcache_small_bins=64, tcache_max_bytes=0x408, tcache_count=7)
        for name, value in members.items():
            if name in self.par:
                self.put_member(self.data, MP - DATA, self.par, name, value)

    def _fill_tcache(self) -> None:
        assert self.tcache is not None
        self.put(
            self.heap, self.first - HEAP + self.pointer_size, ((self.tcache.size + self.pointer_size + 15) & -16) | 1
        )
        distance = 2 if "fastbinsY" in self.state else 6
        self.put(self.tls, POINTER - TLS, POINTER)
        self.put(self.tls, POINTER - TLS - 8 * self.pointer_size, ARENA)
        self.put(self.tls, POINTER - TLS - (8 + distance) * self.pointer_size, self.first + 2 * self.pointer_size)

    def process(self) -> Process:
        mappings = [
            (HEAP, self.heap, "rw-p", "[heap]"),
            (DATA, self.data, "rw-p", LIBC),
            (TLS, self.tls, "rw-p", ""),
        ]
        return Process(
            kind="core",
            machine=machine_of_size(self.pointer_size),
            memory=ImageMemory([(start, bytes(data)) for start, data, *_ in mappings]),
            address_space=AddressSpace(
                VMA(start, start + len(data), permissions, path=path) for start, data, permissions, path in mappings
            ),
            threads=(Thread(1, 100, "made", {}, TLS + 0x1000, 0, POINTER),),
            modules=(Module(LIBC, None, DATA - 0x1000),),
        )
