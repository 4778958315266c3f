"""aarch64 as a Machine."""

from __future__ import annotations

from gdbheap.machine.code import MachineCode
from gdbheap.machine.machine import CoreNotes, Machine, MallocConstants, SystemCalls, VectorNote


def _code() -> MachineCode:
    from gdbheap.machine.aarch64.code import CODE  # kept out of gdb's start

    return CODE


def _numbered(last: int) -> tuple[str, ...]:
    return tuple(f"x{number}" for number in range(last + 1))


AARCH64 = Machine(
    name="aarch64",
    elf=183,
    gdb="aarch64",
    pointer_size=8,
    general=(*_numbered(30), "sp", "pc"),
    # The kernel's notes and debug servers call the thread pointer tpidr, qemu's servers TPIDR_EL0; vg is
    # the length of SVE's vectors, in words of 8 bytes.
    special=("cpsr", "tpidr", "TPIDR_EL0", "vg"),
    without_pointers=("cpsr", "vg"),
    # (All of a longer SVE register but its lowest 128 bits is scratch, after any call.)
    vectors=(("v", 128),),
    vector_words="d.u",
    stack_pointer="sp",
    frame_pointer="x29",
    program_counter="pc",
    flags="cpsr",
    preserved=tuple(f"x{number}" for number in range(19, 30)),
    arguments=_numbered(7),
    result="x0",
    objects=("x0", "x19", "x1", "x20", "x21", "x22"),
    size_of_new="x19",
    thread_bases=("tpidr", "TPIDR_EL0"),
    page_size=4096,
    # Documentation/arch/arm64/memory.rst: with 52 bits a program has more than 48 only if it asks for it.
    address_bits=48,
    widest_bits=52,
    user_ends=(1 << 36, 1 << 39, 1 << 42, 1 << 47, 1 << 48),
    kernel_start=(1 << 64) - (1 << 52),
    vsyscall=None,
    heap_bits=40,
    stray=1 << 36,
    aligns_large=True,
    red_zone=0,
    calls=(4,),
    # (brk leaves the program counter at itself.)
    traps=(),
    alignment_check=0,
    # offsetof(struct pthread, tid): behind its header of 24 words and its links. Its size differs by release.
    thread_id=0xD0,
    thread_record=0x900,
    thread_vector=0,
    system_calls=SystemCalls(
        instructions=(b"\x01\0\0\xd4",),  # svc #0
        number="x8",
        arguments=_numbered(5),
        epoll=frozenset({22, 441}),  # asm-generic/unistd.h
    ),
    malloc=MallocConstants(heap_max=64 << 20, arenas_per_processor=8, last_narrow_bin=96),
    core=CoreNotes(
        (*_numbered(30), "sp", "pc", "cpsr"),
        pid=32,
        register_block=112,
        command=40,
        arguments=56,
        thread_note=0x401,  # NT_ARM_TLS: tpidr
        vectors=(VectorNote(0x2, "v", 0, 16, 32),),
    ),
    load_code=_code,
    dwarf_registers=(*_numbered(30), "sp", "pc"),
    tls_above=True,
    tag_bits=8,
    # (Bit 55 tells a program's addresses from the kernel's.)
    signed_bits=55,
    return_register="x30",
    trap_word=(0xFFE0_001F, 0xD420_0000),  # brk
    stack_alignment=16,
)
