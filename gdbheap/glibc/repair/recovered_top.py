"""The top that an arena has, where its top field is overwritten: the last chunk of a heap that is walked from its
start to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.glibc.arena import first_chunk_of, heaps_of
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.main_arena import first_chunk, initial_top, mapped_end
from gdbheap.glibc.walk.walk import AT_LIMIT, BAD_SIZE, Walk, Walker
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fault import Fault, called
from gdbheap.process.process import Process

_WRONG_TOP = called("top_is_no_chunk")


def with_true_top(
    process: Process, layout: Layout, arena: StructValue, parameters: StructValue | None, walker: Walker
) -> tuple[StructValue, Fault | None]:
    """Return the arena with a top that is its heap's last chunk, and the Fault of the field if it is not what it holds.

    The arena comes as it is where its top could be one, where only top's size is wrong, or where no heap leads to
    another top.
    """
    top = arena["top"]
    is_main = arena.address == layout.main_arena.value
    if top in (0, initial_top(layout, arena)) and is_main and not arena["system_mem"]:
        return arena, None
    if _could_be_top(process, layout, top):
        return arena, None
    for start, end in _heaps(process, layout, arena, parameters, is_main):
        found = _last(walker.walk(start, end), end)
        if found == top:
            return arena, None
        if found is None:
            continue
        detail = clause("chunks_lead_to_other_top", top=Address(top), start=Address(start), found=Address(found))
        return _with(arena, "top", found), Fault(arena.address, _WRONG_TOP, detail, Invariant.TOP)
    return arena, None


def _could_be_top(process: Process, layout: Layout, top: int) -> bool:
    """Whether a chunk at `top` would end at a page, within what is mapped."""
    if (top + layout.header) % layout.alignment:
        return False
    try:
        raw = process.words.read(top + layout.pointer_size)
    except (MemoryFault, OverflowError):
        return False
    size = raw & ~FLAG_MASK
    fits = layout.min_size <= size and top + size <= mapped_end(process, top)
    return raw & FLAG_MASK == PREV_INUSE and (top + size) % process.page_size == 0 and fits


def _last(walk: Walk, end: int) -> int | None:
    """Return the last chunk of a walk if it ends just at `end`, else None; in a 32-bit heap a top's size need be no
    multiple of 16."""
    if walk.why == AT_LIMIT:
        return int(walk.address[-1]) if len(walk.raw) and walk.end == end else None
    ends_there = walk.why == BAD_SIZE and walk.end + (walk.raw_at_end & ~FLAG_MASK) == end
    return walk.end if ends_there and walk.raw_at_end & PREV_INUSE else None


def _heaps(
    process: Process, layout: Layout, arena: StructValue, parameters: StructValue | None, is_main: bool
) -> Iterator[tuple[int, int]]:
    """Yield (first chunk, end) of the heaps of which one may hold top."""
    if not is_main:
        for heap in heaps_of(process, layout, arena.address):
            try:
                size = layout.heap_info.read(process.memory, heap)["size"]
            except MemoryFault:
                continue
            yield first_chunk_of(heap, arena.address, layout), heap + size
        return
    start = first_chunk(process, layout, arena, parameters)
    if start is not None and layout.brk is not None and start < layout.brk.value:
        yield start, layout.brk.value


def _with(value: StructValue, member: str, number: int) -> StructValue:
    """Return the struct with another value of one member."""
    field = value.struct[member]
    data = number.to_bytes(field.item_size, "little")
    return replace(value, data=value.data[: field.offset] + data + value.data[field.offset + field.item_size :])
