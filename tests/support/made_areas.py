"""An address space in areas, as on x86-64, and the kernel's bounds in it."""

from __future__ import annotations

from gdbheap.analysis.mappings.annotate import AnnotatedPart
from gdbheap.analysis.mappings.memory_layout import HEAP, KERNEL, MAPPINGS, PROGRAM, STACK, Area

AREAS = (
    Area(KERNEL, (AnnotatedPart(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "vsyscall", "vsyscall"),), 1),
    Area(STACK, (AnnotatedPart(0x7FFE00000000, 0x7FFE00021000, "main_stack", "main stack"),), 1),
    Area(
        MAPPINGS,
        (
            AnnotatedPart(0x7F0000000000, 0x7F0000002000, "anonymous", "anonymous"),
            AnnotatedPart(0x7F0000003000, 0x7F0000005000, "library_text", "libx text"),
            AnnotatedPart(0x7F0000005000, 0x7F0000006000, "library_data", "libx data"),
        ),
        3,
    ),
    Area(HEAP, (AnnotatedPart(0x555500100000, 0x555500121000, "main_heap", "heap of the main arena"),), 1),
    Area(
        PROGRAM,
        (
            AnnotatedPart(0x555500000000, 0x555500003000, "program_text", "program text"),
            AnnotatedPart(0x555500003000, 0x555500004000, "program_data", "program data"),
        ),
        2,
    ),
)
NAMES = {
    0x555500000000: ["start_code"],
    0x555500002800: ["end_code"],
    0x555500003D00: ["start_data"],
    0x555500003F80: ["end_data"],
    0x555500100000: ["start_brk"],
    0x555500120010: ["brk"],
    0x7F0000006000: ["mmap_base (at least)"],
    0x7FFE0001F000: ["start_stack"],
    0x7FFE00020100: ["arg_start"],
    0x7FFE00020180: ["arg_end", "env_start"],
    0x7FFE00020FF0: ["env_end"],
}
