"""x86-64 and i386 as Machines."""

from __future__ import annotations

from gdbheap.machine.machine import CoreNotes, Machine


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SELECTORS = ("cs", "ss", "ds", "es", "fs", "gs")

X86_64 = Machine(
    name="x86-64",
    elf=62,
    gdb="i386:x86-64",
    gdb_system_calls="amd64-linux.xml",
    pointer_size=8,
    general=_names("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"),
    special=("eflags", *_SELECTORS, "fs_base", "gs_base"),
    without_pointers=("eflags", *_SELECTORS),
    stack_pointer="rsp",
    frame_pointer="rbp",
    program_counter="rip",
    flags="eflags",
    preserved=("rbx", "rbp", "r12", "r13", "r14", "r15"),
    arguments=("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
    result="rax",
    thread_base="fs_base",
    # Four-level page tables: with five of them a program has more only if it asks for it
    # (Documentation/arch/x86/x86_64/5level-paging.rst).
    address_bits=47,
    user_ends=(0x7FFF_FFFF_F000,),
    kernel_start=(1 << 64) - (1 << 47),
    vsyscall=0xFFFF_FFFF_FF60_0000,
    system_calls=(b"\x0f\x05",),
    red_zone=128,
    core=CoreNotes(
        _names(
            "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base"
        )
        + _names("ds es fs gs"),
        pid=32,
        register_block=112,
        command=40,
        arguments=56,
    ),
)

I386 = Machine(
    name="i386",
    elf=3,
    gdb="i386",
    gdb_system_calls="i386-linux.xml",
    pointer_size=4,
    general=_names("eax ebx ecx edx esi edi ebp esp eip"),
    special=("eflags", *_SELECTORS),
    without_pointers=("eflags", *_SELECTORS),
    stack_pointer="esp",
    frame_pointer="ebp",
    program_counter="eip",
    flags="eflags",
    preserved=("ebx", "ebp", "esi", "edi"),
    arguments=(),
    result="eax",
    thread_base="",
    address_bits=32,
    # On a 64-bit kernel nearly all 4 GiB are the program's; on a 32-bit one three of them.
    user_ends=(0xC000_0000, 0xFFFF_E000),
    kernel_start=None,
    vsyscall=None,
    system_calls=(b"\xcd\x80", b"\x0f\x34"),
    red_zone=0,
    core=CoreNotes(
        _names("ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss"),
        pid=24,
        register_block=72,
        command=28,
        arguments=44,
    ),
)
