"""A stopped process made by hand: a program, a library, heaps, stacks and the kernel's mappings, at round addresses."""

from __future__ import annotations

import struct

import numpy as np

from gdbheap.glibc.chunk_table import MMAPPED_ARENA, ChunkTable, State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.glibc.heap_view import Arena, Region
from gdbheap.glibc.layout import SYMBOL, Layout, Located
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.cstruct import CStruct, StructValue
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Module, ModuleSegment, Process, Thread

PROGRAM, LIBRARY = "/bin/server", "/lib/libx.so.1"
HEAP, ARENA, STACK, TLS, LARGE = 0x1000000, 0x7F0000000000, 0x7F1000000000, 0x7F3000000000, 0x7F2000000000
MAIN_STACK, VDSO = 0x7FFE00000000, 0x7FFF00000000

VMAS = (
    VMA(0x400000, 0x401000, "r--p", 0, "fe:00", 7, PROGRAM),
    VMA(0x401000, 0x403000, "r-xp", 0x1000, "fe:00", 7, PROGRAM),
    VMA(0x403000, 0x404000, "r--p", 0x3000, "fe:00", 7, PROGRAM),
    VMA(0x404000, 0x406000, "rw-p", 0x4000, "fe:00", 7, PROGRAM),
    VMA(0x406000, 0x408000, "rw-p"),
    VMA(HEAP, HEAP + 0x21000, "rw-p", path="[heap]"),
    VMA(ARENA, ARENA + 0x21000, "rw-p"),
    VMA(ARENA + 0x21000, ARENA + (64 << 20), "---p"),
    VMA(STACK, STACK + 0x1000, "---p"),
    VMA(STACK + 0x1000, STACK + 0x9000, "rw-p"),
    VMA(LARGE, LARGE + 0x5000, "rw-p"),
    VMA(TLS, TLS + 0x3000, "rw-p"),
    VMA(TLS + 0x4000, TLS + 0x5000, "r--p", 0, "fe:00", 9, "/data/a file (deleted)"),
    VMA(MAIN_STACK, MAIN_STACK + 0x21000, "rw-p", path="[stack]"),
    VMA(VDSO, VDSO + 0x2000, "r-xp", path="[vdso]"),
)

MAIN = Module(
    PROGRAM,
    None,
    0,
    "aa",
    (
        ModuleSegment(0x400000, 0x400800, 0x400800, "r--"),
        ModuleSegment(0x401000, 0x402100, 0x402100, "r-x"),
        ModuleSegment(0x403D00, 0x405800, 0x407F00, "rw-"),
    ),
    relro=(0x403D00, 0x404000),
)


def thread(number: int, stack_pointer: int, thread_pointer: int | None) -> Thread:
    """Return a thread whose registers nobody asks for."""
    return Thread(number, 100 + number, "", {}, stack_pointer, 0x401000, thread_pointer)


def pthread(stack: tuple[int, int, int]) -> bytes:
    """Return a page with a struct pthread at its start, as far as a stack is known by it (offset as in glibc 2.31 to
    2.43)."""
    data = bytearray(0x1000)
    struct.pack_into("<3Q", data, 0x690, *stack)
    return bytes(data)


def made_process(vmas=VMAS, second_stack=(STACK, 0x9000, 0x1000), source="maps") -> Process:
    """Return the process; `second_stack` is what the second thread's struct pthread says of its block (start, size,
    guard)."""
    memory = ImageMemory(
        [
            (STACK + 0x8000, pthread(second_stack)),
            (TLS, bytes(0x3000)),
            (LARGE, struct.pack("<2Q", 0, 0x3000 | 2) + bytes(0x2FF0)),
            (LARGE + 0x3000, struct.pack("<2Q", 0, 0x1000 | 2) + bytes(0xFF0)),
        ]
    )
    threads = (thread(1, MAIN_STACK + 0x20000, TLS + 0x1740), thread(2, STACK + 0x7000, STACK + 0x8000))
    return Process("live", X86_64, memory, AddressSpace(vmas, source), threads, modules=(MAIN,), main=MAIN)


def made_heap() -> GlibcHeap:
    """Return a heap of two arenas and two mmapped chunks in one mapping."""
    empty = CStruct("malloc_state", 8, {})
    layout = Layout(X86_64, 16, empty, empty, Located(0x404100, SYMBOL))
    value = StructValue(empty, 0, bytes(8))
    arenas = (
        Arena(0, 0x404100, value, (Region(0, HEAP, HEAP, HEAP + 0x21000),), HEAP + 0x300, 0x20D00),
        Arena(1, ARENA + 0x30, value, (Region(1, ARENA, ARENA + 0x8D0, ARENA + 0x21000),), ARENA + 0x900, 0x20700),
    )
    rows = [
        (HEAP, 0x300, 1, State.IN_USE, 0),
        (HEAP + 0x300, 0x20D00, 1, State.TOP, 0),
        (LARGE, 0x3000, 2, State.IN_USE, MMAPPED_ARENA),
        (LARGE + 0x3000, 0x1000, 2, State.IN_USE, MMAPPED_ARENA),
    ]
    types = (np.uint64, np.uint64, np.uint8, np.uint8, np.uint16)
    table = ChunkTable(*(np.array(column, dtype) for column, dtype in zip(zip(*rows), types)))
    return GlibcHeap(layout, arenas, table, (), ())
