"""x86-64 and i386 as Machines."""

from __future__ import annotations

from gdbheap.machine.code import MachineCode
from gdbheap.machine.machine import CoreNotes, Machine, MallocConstants, SystemCalls, VectorNote


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _code_64() -> MachineCode:
    from gdbheap.machine.x86.code import CODE_64  # kept out of gdb's start

    return CODE_64


def _code_32() -> MachineCode:
    from gdbheap.machine.x86.code import CODE_32  # kept out of gdb's start

    return CODE_32


_PAGE = 4096
# int3, int1 and the long form of int3.
_TRAPS = (b"\xcc", b"\xf1", b"\xcd\x03")
# syscall, sysenter and int $0x80: a 32-bit program may run the first on some processors, a 64-bit one the last.
_SYSTEM_CALLS = (b"\x0f\x05", b"\x0f\x34", b"\xcd\x80")
_CALLS = (7, 6, 5, 4, 3, 2)
_ALIGNMENT_CHECK = 1 << 18
_VECTORS = (("zmm", 512), ("ymm", 256), ("xmm", 128))
# How the kernel lays out XSAVE's state, by the size of all of it: processors with room for MPX (Intel's), and without.
_WITH_MPX, _WITHOUT_MPX = (2688, 1 << 32), (0, 2688)


def _wide_vectors(count: int, behind: int) -> tuple[VectorNote, ...]:
    """Return where XSAVE's state has the upper parts of `count` registers, and `behind` more that are whole."""
    found = [VectorNote(0x202, "ymm", 576, 16, count, state=2, wider=(6, "zmm"))]
    for sizes, upper, whole in ((_WITH_MPX, 1152, 1664), (_WITHOUT_MPX, 896, 1408)):
        found.append(VectorNote(0x202, "zmm", upper, 32, count, state=6, within=sizes))
        found.append(VectorNote(0x202, "xmm", whole, 16, behind, state=7, within=sizes, step=64, first=16))
        found.append(VectorNote(0x202, "zmm", whole + 16, 48, behind, state=7, within=sizes, step=64, first=16))
    return tuple(each for each in found if each.count)


_SELECTORS = ("cs", "ss", "ds", "es", "fs", "gs")

X86_64 = Machine(
    name="x86-64",
    elf=62,
    gdb="i386:x86-64",
    pointer_size=8,
    general=_names("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"),
    special=("eflags", *_SELECTORS, "fs_base", "gs_base"),
    without_pointers=("eflags", *_SELECTORS),
    vectors=_VECTORS,
    vector_words="v{count}_int64",
    stack_pointer="rsp",
    frame_pointer="rbp",
    program_counter="rip",
    flags="eflags",
    preserved=("rbx", "rbp", "r12", "r13", "r14", "r15"),
    arguments=("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    result="rax",
    objects=("rdi", "rbx", "rax", "rdx", "rbp", "r12"),
    size_of_new="rbx",
    thread_bases=("fs_base",),
    page_size=_PAGE,
    # Four-level page tables: with five of them a program has more only if it asks for it
    # (Documentation/arch/x86/x86_64/5level-paging.rst).
    address_bits=47,
    widest_bits=56,
    user_ends=(0x7FFF_FFFF_F000,),
    kernel_start=(1 << 64) - (1 << 47),
    vsyscall=0xFFFF_FFFF_FF60_0000,
    hides_address=True,
    fetches_by_reading=True,
    heap_bits=40,
    stray=1 << 36,
    aligns_large=True,
    red_zone=128,
    calls=_CALLS,
    traps=_TRAPS,
    alignment_check=_ALIGNMENT_CHECK,
    thread_id=0x2D0,
    thread_vector=8,
    thread_record=0x900,
    system_calls=SystemCalls(
        instructions=_SYSTEM_CALLS,
        number="orig_rax",
        arguments=("rdi", "rsi", "rdx", "r10", "r8", "r9"),
        epoll=frozenset({232, 281, 441}),  # asm/unistd_64.h
    ),
    malloc=MallocConstants(heap_max=64 << 20, arenas_per_processor=8, last_narrow_bin=96),
    core=CoreNotes(
        _names(
            "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base"
        )
        + _names("ds es fs gs"),
        pid=32,
        register_block=112,
        command=40,
        arguments=56,
        vectors=(VectorNote(0x2, "xmm", 160, 16, 16), *_wide_vectors(16, 16)),
    ),
    load_code=_code_64,
    dwarf_registers=_names("rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"),
)

I386 = Machine(
    name="i386",
    elf=3,
    gdb="i386",
    pointer_size=4,
    general=_names("eax ebx ecx edx esi edi ebp esp eip"),
    special=("eflags", *_SELECTORS),
    without_pointers=("eflags", *_SELECTORS),
    vectors=_VECTORS,
    vector_words="v{count}_int32",
    stack_pointer="esp",
    frame_pointer="ebp",
    program_counter="eip",
    flags="eflags",
    preserved=("ebx", "ebp", "esi", "edi"),
    arguments=(),
    result="eax",
    objects=("eax", "ecx", "ebx", "edx", "esi", "edi"),
    size_of_new="",
    thread_bases=(),
    page_size=_PAGE,
    address_bits=32,
    # On a 64-bit kernel nearly all 4 GiB are the program's; on a 32-bit one three of them.
    user_ends=(0xC000_0000, 0xFFFF_E000),
    kernel_start=None,
    vsyscall=None,
    heap_bits=24,
    stray=1 << 24,
    aligns_large=False,
    red_zone=0,
    calls=_CALLS,
    traps=_TRAPS,
    alignment_check=_ALIGNMENT_CHECK,
    thread_id=0x68,
    thread_vector=4,
    fetches_by_reading=True,
    thread_record=0x480,
    system_calls=SystemCalls(
        instructions=_SYSTEM_CALLS,
        number="orig_eax",
        arguments=("ebx", "ecx", "edx", "esi", "edi", "ebp"),
        epoll=frozenset({256, 319, 441}),  # asm/unistd_32.h
    ),
    malloc=MallocConstants(heap_max=1 << 20, arenas_per_processor=2, last_narrow_bin=94),
    core=CoreNotes(
        _names("ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss"),
        pid=24,
        register_block=72,
        command=28,
        arguments=44,
        segments=0x200,  # NT_386_TLS
        selector="gs",
        vectors=(VectorNote(0x46E6_2B7F, "xmm", 160, 16, 8), *_wide_vectors(8, 0)),
    ),
    load_code=_code_32,
    dwarf_registers=_names("eax ecx edx ebx esp ebp esi edi eip eflags"),
)
