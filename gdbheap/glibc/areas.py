"""What of a process's mappings is malloc's, and what it is."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.allocators.heap import HeapArea
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, PREV_INUSE, Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import np
from gdbheap.process.process import Process


def areas(process: Process, heap: HeapView) -> Iterator[HeapArea]:
    """Yield the heaps of arenas with their reserves, and the mappings of mmapped chunks."""
    for arena in heap.arenas:
        for region in arena.regions:
            if arena.is_main:
                yield HeapArea(region.mapping, process.page_after(region.end), "main_heap", "heap of the main arena")
            else:
                yield from _arena_parts(process, heap, arena.index, region.mapping)
    for row in np.flatnonzero(heap.table.arena == MMAPPED_ARENA):
        chunk = heap.table[int(row)]
        start = _mapping_start(process, chunk)
        # The header of 2.43's chunks leaves two words out at the end of the mapping: whole pages are right in all
        # versions.
        yield HeapArea(start, process.page_after(chunk.end), "mmapped_chunk", "mmapped chunk")


def _mapping_start(process: Process, chunk: Chunk) -> int:
    """Return where an mmapped chunk's mapping starts: prev_size bytes before it (memalign leaves many), if the
    header says so."""
    try:
        start = chunk.address - (process.words.read(chunk.address) & ~1)
    except MemoryFault:
        start = -1
    is_mapped = start >= 0 and process.address_space.find(start) is not None
    return start if is_mapped and start % process.page_size == 0 else process.page_of(chunk.address)


def _arena_parts(process: Process, heap: HeapView, index: int, mapping: int) -> Iterator[HeapArea]:
    """Yield the readable part of a non-main heap and its reserve: [mapping, mapping + heap_max) as far as it is
    mapped."""
    end = mapping + heap.layout.heap_max
    owner = ("arena", index)
    vma = process.address_space.find(mapping)
    while vma is not None and vma.start < end:
        stop = min(vma.end, end)
        if vma.writable:
            yield HeapArea(max(vma.start, mapping), stop, "arena_heap", "heap", owner=owner)
        else:
            yield HeapArea(vma.start, stop, "arena_reserve", "reserve", owner=owner)
        vma = process.address_space.find(vma.end)


def own_ranges(view: HeapView) -> Iterator[tuple[int, int]]:
    """Yield what is malloc's: its heaps, mmapped chunks with their mappings, main_arena and mp_."""
    layout, table = view.layout, view.table
    for arena in view.arenas:
        for region in arena.regions:
            # As large is an arena's reserve at least.
            reserve = layout.machine.malloc.heap_max
            end = region.end if arena.is_main else (region.mapping & -reserve) + reserve
            yield (region.start if arena.is_main else region.mapping), max(end, region.end)
    mapped = np.flatnonzero(table.arena == MMAPPED_ARENA)
    for address, size in zip(table.address[mapped].tolist(), table.size[mapped].tolist()):
        page = layout.page_size
        yield address & -page, -(-(address + size) // page) * page
    yield layout.main_arena.value, layout.main_arena.value + layout.malloc_state.size
    if layout.mp is not None and layout.malloc_par is not None:
        yield layout.mp.value, layout.mp.value + layout.malloc_par.size


def unread_ranges(view: HeapView) -> list[tuple[int, int]]:
    """Return the parts of heaps that the walk could not read as chunks. (A free chunk in no list is UNKNOWN as well,
    but the next header calls it free.)"""
    table = view.table
    found = []
    for row in np.flatnonzero(table.state == State.UNKNOWN).tolist():
        following = row + 1
        is_free = following < len(table) and not int(table.flags[following]) & PREV_INUSE
        if not is_free:
            start = int(table.address[row])
            found.append((start, start + int(table.size[row])))
    return found
