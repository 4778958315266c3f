"""riscv64 as a Machine."""

from __future__ import annotations

from gdbheap.machine.code import MachineCode
from gdbheap.machine.machine import CoreNotes, Machine, MallocConstants, SystemCalls


def _code() -> MachineCode:
    from gdbheap.machine.riscv64.code import CODE  # kept out of gdb's start

    return CODE


def _numbered(family: str, first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{family}{number}" for number in range(first, last + 1))


# x1 to x31, by the names that the ABI (and gdb) has for them.
_GENERAL = (
    "ra", "sp", "gp", "tp", *_numbered("t", 0, 2), "fp", "s1", *_numbered("a", 0, 7), *_numbered("s", 2, 11),
    *_numbered("t", 3, 6),
)  # fmt: skip

RISCV64 = Machine(
    name="riscv64",
    elf=243,
    gdb="riscv:rv64",
    pointer_size=8,
    general=(*_GENERAL, "pc"),
    special=(),
    without_pointers=(),
    # (No compiler keeps a pointer in a register of floating-point numbers, and gdb's stub of qemu shows no others.)
    vectors=(),
    vector_words="",
    stack_pointer="sp",
    frame_pointer="fp",
    program_counter="pc",
    flags="",
    preserved=("fp", *_numbered("s", 1, 11)),
    arguments=_numbered("a", 0, 7),
    result="a0",
    objects=("a0", "fp", "s1", "a1", "s2", "s3"),
    size_of_new="fp",
    thread_bases=("tp",),
    page_size=4096,
    # Documentation/arch/riscv/vm-layout.rst: Sv39, Sv48; of Sv57 a program has more only if it asks for it.
    address_bits=47,
    widest_bits=56,
    user_ends=(1 << 38, 1 << 47),
    kernel_start=(1 << 64) - (1 << 56),
    vsyscall=None,
    heap_bits=40,
    stray=1 << 36,
    aligns_large=True,
    red_zone=0,
    calls=(4, 2),
    # (ebreak leaves the program counter at itself.)
    traps=(),
    alignment_check=0,
    # offsetof(struct pthread, tid): behind its header of 24 words and its links. Its size differs by release.
    thread_id=0xD0,
    thread_record=0x900,
    # (tcbhead_t lies right below the thread pointer.)
    thread_vector=-16,
    system_calls=SystemCalls(
        instructions=(b"\x73\0\0\0",),  # ecall
        number="a7",
        arguments=_numbered("a", 0, 5),
        epoll=frozenset({22, 441}),  # asm-generic/unistd.h
    ),
    malloc=MallocConstants(heap_max=64 << 20, arenas_per_processor=8, last_narrow_bin=96),
    core=CoreNotes(("pc", *_GENERAL), pid=32, register_block=112, command=40, arguments=56, fewest=27),
    load_code=_code,
    dwarf_registers=("", *_GENERAL),
    tls_above=True,
    return_register="ra",
    trap_word=(0xFFFF, 0x9002),  # c.ebreak
)
