"""What free would say of a chunk: malloc's own checks in their order, on the heap as it is."""

from __future__ import annotations

from gdbheap.analysis.facts.free_checks import (
    EndsBeyondTop,
    HeaderTellsMapping,
    InList,
    IsTop,
    LinksDiffer,
    NextHeader,
    NotAligned,
    PrevSizeMisleads,
    SizeImpossible,
    SizesDiffer,
    SizeWraps,
)
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, State
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.glibc.naming import list_name
from gdbheap.glibc.sizes import tcache_range
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Message, dies_with

# (the text, the reason in this chunk's own numbers)
FreeOutcome = tuple[Message, Fact]

MUNMAP = dies_with("munmap_chunk(): invalid pointer")


def what_free_says(heap: CheckedHeap, chunk: int) -> FreeOutcome | None:
    """Return what free(mem) of the chunk at this address aborts with, or None where it passes the checks.

    Mirrors __libc_free and _int_free up to where something changes; that the tcache may take the block before the
    later checks is left aside. A text that not every glibc with these structs has comes as "A or B".
    """
    try:
        prev_size, raw = _header(heap, chunk)
    except (MemoryFault, OverflowError):
        return None
    size = raw & ~FLAG_MASK
    # From glibc 2.42 on, the pointer and its size are looked at before it matters whose the chunk is.
    checks_pointer_first = heap.texts.oldest >= (2, 42)
    wrong = _pointer(heap, chunk, size) if checks_pointer_first or not raw & IS_MMAPPED else None
    if raw & IS_MMAPPED:
        return wrong or _munmap(heap, chunk, prev_size, size)
    return wrong or _tcache(heap, chunk, size) or _next(heap, chunk, size) or _merge(heap, chunk, prev_size, raw)


def _header(heap: CheckedHeap, chunk: int) -> tuple[int, int]:
    """Return the two words of a header, which may lie anywhere."""
    word = heap.layout.pointer_size
    data = heap.process.memory.read(chunk, 2 * word)
    return int.from_bytes(data[:word], "little"), int.from_bytes(data[word:], "little")


def _munmap(heap: CheckedHeap, chunk: int, prev_size: int, size: int) -> FreeOutcome | None:
    """Mirrors munmap_chunk: the mapping is whole pages, and mem is at a power of two in its page."""
    overhead = heap.layout.mmapped_overhead or 0
    mask = (1 << 8 * heap.layout.pointer_size) - 1
    start, length = chunk - (prev_size & ~1) & mask, (prev_size & ~1) + size + overhead & mask
    offset = (chunk + heap.layout.header) % heap.process.page_size
    if start % heap.process.page_size or length % heap.process.page_size or offset & (offset - 1):
        return MUNMAP, HeaderTellsMapping(start, length)
    return None


def _pointer(heap: CheckedHeap, chunk: int, size: int) -> FreeOutcome | None:
    layout = heap.layout
    wraps = chunk + size > 1 << 8 * layout.pointer_size or size == 0
    misaligned = (chunk + layout.header) % layout.alignment != 0
    if misaligned:
        return dies_with("free(): invalid pointer"), NotAligned(chunk + layout.header, layout.alignment)
    strict = heap.texts.newest < (2, 42)
    if wraps:
        text = dies_with("free(): invalid pointer") if strict else dies_with("free(): invalid size")
        return text, SizeWraps(size)
    if size < layout.min_size or (strict and size % layout.alignment):
        return dies_with("free(): invalid size"), SizeImpossible(size)
    return None


def _tcache(heap: CheckedHeap, chunk: int, size: int) -> FreeOutcome | None:
    place = heap.view.place_of(chunk)
    if place is None or place.bin.kind != "tcache" or not heap.texts.has("free(): double free detected in tcache 2"):
        return None
    if size > tcache_range(63, heap.layout)[1]:
        return None
    return dies_with("free(): double free detected in tcache 2"), InList(place.position + 1, list_name(place.bin))


def _next(heap: CheckedHeap, chunk: int, size: int) -> FreeOutcome | None:
    """The size of the chunk behind."""
    arena = arena_for(heap, chunk)
    if arena is None:
        return None
    fast = heap.layout.has_fastbins and size <= (heap.layout.global_max_fast or 16 * heap.layout.pointer_size)
    if not fast:
        found = _top(heap, arena, chunk, size)
        if found:
            return found
    try:
        raw = heap.words.read(chunk + size + heap.layout.pointer_size)
    except MemoryFault:
        return None
    if not fast and not raw & PREV_INUSE:
        return dies_with("double free or corruption (!prev)"), NextHeader(chunk + size, None)
    if raw <= heap.layout.header or raw & ~FLAG_MASK >= arena.system_mem:
        text = dies_with(f"free(): invalid next size ({'fast' if fast else 'normal'})")
        return text, NextHeader(chunk + size, raw)
    place = heap.view.place_of(chunk)
    if fast and place is not None and place.bin.kind == "fastbin" and place.position == 0:
        return dies_with("double free or corruption (fasttop)"), InList(1, list_name(place.bin))
    return None


def _top(heap: CheckedHeap, arena: Arena, chunk: int, size: int) -> FreeOutcome | None:
    if chunk == arena.top:
        return dies_with("double free or corruption (top)"), IsTop()
    end = arena.top + _size(heap, arena.top)
    if not arena.value["flags"] & NONCONTIGUOUS and chunk + size >= end:
        elsewhere = arena.is_main and arena_of(heap, chunk) not in (None, arena)
        return dies_with("double free or corruption (out)"), EndsBeyondTop(chunk + size, end, elsewhere)
    return None


def _merge(heap: CheckedHeap, chunk: int, prev_size: int, raw: int) -> FreeOutcome | None:
    """The free chunk below, and the one behind (mirrors _int_free_merge_chunk; chunks that a fastbin takes are not
    merged)."""
    layout = heap.layout
    size = raw & ~FLAG_MASK
    if layout.has_fastbins and size <= (layout.global_max_fast or 16 * layout.pointer_size):
        return None
    if not raw & PREV_INUSE:
        below = chunk - prev_size
        if _size(heap, below) != prev_size:
            text = heap.texts.choose(
                "corrupted size vs. prev_size while consolidating", otherwise=dies_with("corrupted size vs. prev_size")
            )
            return text, PrevSizeMisleads(prev_size, below, _size(heap, below))
        found = _unlink(heap, below)
        if found:
            return found
    behind = heap.table.row_of(chunk + size)
    if behind is not None and heap.table[behind].state in (State.UNSORTED, State.SMALL, State.LARGE):
        return _unlink(heap, chunk + size)
    return None


def _unlink(heap: CheckedHeap, chunk: int) -> FreeOutcome | None:
    """Mirrors unlink_chunk."""
    layout = heap.layout
    size = _size(heap, chunk)
    try:
        behind = heap.words.read(chunk + size)
        fd, bk = heap.words.read_many(chunk + layout.header, 2)
        back, forth = heap.words.read(fd + layout.header + layout.pointer_size), heap.words.read(bk + layout.header)
    except (MemoryFault, OverflowError):
        return None  # a SIGSEGV, not an abort
    if behind != size:
        return dies_with("corrupted size vs. prev_size"), SizesDiffer(chunk, size, behind)
    if back != chunk or forth != chunk:
        return dies_with("corrupted double-linked list"), LinksDiffer(fd, bk, chunk)
    return None


def _size(heap: CheckedHeap, chunk: int) -> int:
    try:
        return heap.words.read(chunk + heap.layout.pointer_size) & ~FLAG_MASK
    except (MemoryFault, OverflowError):
        return 0


def arena_for(heap: CheckedHeap, chunk: int) -> Arena | None:
    """Return the arena that malloc takes the chunk for one of, by its size field (mirrors arena_for_chunk); None
    where that leads to none."""
    try:
        if not heap.words.read(chunk + heap.layout.pointer_size) & NON_MAIN_ARENA:
            return heap.view.arenas[0]
        info = heap.layout.heap_info.read(heap.process.memory, chunk & ~(heap.layout.heap_max - 1))
    except (MemoryFault, OverflowError):
        return None  # a SIGSEGV, not an abort
    return next((each for each in heap.view.arenas if each.address == info["ar_ptr"]), None)


def arena_of(heap: CheckedHeap, address: int) -> Arena | None:
    """Return the arena whose heaps hold the address, or None."""
    for arena in heap.view.arenas:
        if any(region.start <= address < region.end for region in arena.regions):
            return arena
    return None
