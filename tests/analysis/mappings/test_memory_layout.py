"""The areas that `mm` draws."""

from __future__ import annotations

from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA
from gdbheap.analysis.mappings.memory_layout import HEAP, MAPPINGS, PROGRAM, STACK, find_areas
from gdbheap.process.address_space import VMA
from gdbheap.process.mm import MM


def mapping(start, path, *parts):
    """Return a mapping of parts of (kind, bytes)."""
    made, at = [], start
    for kind, size in parts:
        made.append(AnnotatedPart(at, at + size, kind, kind))
        at += size
    return AnnotatedVMA(VMA(start, at, "rw-p", path=path), tuple(made), "private_anonymous")


def test_what_brk_made_is_one_area_where_no_name_says_so():
    # A core of a static program: its TLS came from brk, before malloc's heap; a part of the main arena is elsewhere.
    mappings = [
        mapping(0x1000, "/program", ("program_text", 0x1000), ("program_data", 0x1000)),
        mapping(0x3000, "", ("tls", 0x2000), ("main_heap", 0x4000)),
        mapping(0x20000, "", ("main_heap", 0x1000)),
        mapping(0x30000, "", ("anonymous", 0x1000)),
        mapping(0x80000, "[stack]", ("main_stack", 0x1000)),
    ]
    areas = find_areas(mappings, MM({"start_brk": 0x3000, "brk": 0x8800}, {}, None))
    assert [(area.kind, area.start, area.end, area.count) for area in areas] == [
        (STACK, 0x80000, 0x81000, 1),
        (MAPPINGS, 0x20000, 0x31000, 2),
        (HEAP, 0x3000, 0x9000, 1),
        (PROGRAM, 0x1000, 0x3000, 1),
    ]
    # Where brk is not known, nothing is called its heap.
    assert HEAP not in {area.kind for area in find_areas(mappings, MM({}, {}, None))}
