"""The drawing of an address space, whole: as on x86-64, as on i386, and in the layouts that put the mappings
elsewhere."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.analysis.mappings.annotate import AnnotatedPart
from gdbheap.analysis.mappings.memory_layout import MAPPINGS, PROGRAM, STACK, Area
from gdbheap.pictures.mm_drawing import Drawing
from gdbheap.process.mm import MM, UNLIMITED
from support.made_areas import AREAS, NAMES

ALL = MM({"mmap_top": 0x7F0000006000}, {}, 8 << 20)


def drawn(areas=AREAS, end=0x7FFFFFFFF000, names=NAMES, mm=ALL):
    lines = Drawing(areas, end, names, mm, "/bin/x").lines()
    return "".join("".join(text for _, text in line.pieces).rstrip() + "\n" for line in lines)


def test_from_high_addresses_to_low_with_every_bound_gap_and_direction():
    assert (
        drawn()
        == """\
0xffffffffff601000  ┌ the kernel's own: 4 KiB
0xffffffffff600000  └
    0x7ffffffff000  ═ end of user space
                    ┊ 8 GiB
    0x7ffe00021000  ┌ main stack: 132 KiB
    0x7ffe00020ff0  │ ← env_end
    0x7ffe00020180  │ ← arg_end, env_start
    0x7ffe00020100  │ ← arg_start
    0x7ffe0001f000  │ ← start_stack
    0x7ffe00000000  └
                    ↓ the stack grows down, to 0x7ffdff821000 (limit 8 MiB)
                    ┊ 1 TiB
    0x7f0000006000  ┌ mappings: 20 KiB in 3 mappings, and 4 KiB of gaps  ← mmap_base (at least)
                    │ anonymous 8 KiB, library text 8 KiB, library data 4 KiB
    0x7f0000000000  └
                    ↓ new mappings are placed below
                    ┊ 42 TiB
                    ↑ brk grows up
    0x555500121000  ┌ heap (brk): 132 KiB
    0x555500120010  │ ← brk
    0x555500100000  └ ← start_brk
                    ┊ 1 MiB
    0x555500004000  ┌ program /bin/x: 16 KiB in 2 mappings
                    │ text 12 KiB, data 4 KiB
    0x555500003f80  │ ← end_data
    0x555500003d00  │ ← start_data
    0x555500002800  │ ← end_code
    0x555500000000  └ ← start_code
                    ┊ 85 TiB
               0x0  ═ NULL
"""
    )


def test_32_bits_no_heap_yet_and_a_break_that_lies_in_the_gap():
    areas = (
        Area(STACK, (AnnotatedPart(0xFFFDD000, 0xFFFFE000, "main_stack", "main stack"),), 1),
        Area(MAPPINGS, (AnnotatedPart(0xF7F00000, 0xF7F02000, "vdso", "vdso"),), 1),
        Area(PROGRAM, (AnnotatedPart(0x8048000, 0x804A000, "program_text", "program text"),), 1),
    )
    names = {0x9000000: ["start_brk", "brk"], 0x804A000: ["end_data"], 0xF7F02000: ["mmap_base (at least)"]}
    assert (
        drawn(areas, 0xFFFFE000, names, MM({"mmap_top": 0xF7F02000}, {}, UNLIMITED))
        == """\
0xffffe000  ═ end of user space
0xffffe000  ┌ main stack: 132 KiB
0xfffdd000  └
            ↓ the stack grows down, without a limit
            ┊ 129 MiB
0xf7f02000  ┌ mappings: 8 KiB in 1 mapping  ← mmap_base (at least)
0xf7f00000  └
            ↓ new mappings are placed below
            ┊ 3.7 GiB
 0x9000000  ┊ ← start_brk, brk
            ┊ 16 MiB
 0x804a000  ┌ program /bin/x: 8 KiB in 1 mapping  ← end_data
 0x8048000  └
            ┊ 128 MiB
       0x0  ═ NULL
"""
    )


def test_in_the_legacy_layout_mappings_grow_up():
    mm = MM({"mmap_bottom": 0x7F0000000000}, {}, None, bottom_up=True)
    names = {0x7F0000000000: ["mmap_base (at most)"]}
    assert (
        drawn(AREAS[1:3], None, names, mm)
        == """\
0x7ffe00021000  ┌ main stack: 132 KiB
0x7ffe00000000  └
                ↓ the stack grows down
                ┊ 1 TiB
                ↑ new mappings are placed above
0x7f0000006000  ┌ mappings: 20 KiB in 3 mappings, and 4 KiB of gaps
                │ anonymous 8 KiB, library text 8 KiB, library data 4 KiB
0x7f0000000000  └ ← mmap_base (at most)
                ┊ 127 TiB
           0x0  ═ NULL
"""
    )


def test_boxes_that_touch_share_their_bounds_line():
    program = replace(
        AREAS[4], parts=(AnnotatedPart(0x5554FFFF0000, 0x555500100000, "program_bss", "program bss"),), count=1
    )
    assert drawn((AREAS[3], program), None, {0x555500100000: ["start_brk"]}, MM({}, {}, None)).splitlines() == [
        "                ↑ brk grows up",
        "0x555500121000  ┌ heap (brk): 132 KiB",
        "0x555500100000  └ ← start_brk",
        "0x555500100000  ┌ program /bin/x: 1.1 MiB in 1 mapping",
        "0x5554ffff0000  └",
        "                ┊ 85 TiB",
        "           0x0  ═ NULL",
    ]


def test_nothing_mapped_is_nothing_drawn():
    assert drawn((), None, {}, MM({}, {}, None)) == ""
