"""read_arena: the heap as far as one arena's chunks go, for questions about one address in a large heap."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from gdbheap.errors import MemoryFault
from gdbheap.glibc.addresses import Addresses
from gdbheap.glibc.arena import read_heaps, read_ring
from gdbheap.glibc.bins import Links, read_fastbins
from gdbheap.glibc.chunk_table import ChunkTable, State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.main_arena import first_chunk, walk_main
from gdbheap.glibc.read_heap import arena_of, joined_table, read_lists, walk_heaps
from gdbheap.glibc.repair.recovered_top import with_true_top
from gdbheap.glibc.walk.free_lists import FreeLists
from gdbheap.glibc.walk.links import demangle
from gdbheap.glibc.walk.walk import Walker
from gdbheap.process.cstruct import StructValue
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

# Longer fastbins of other arenas are left to read_heap().
_MOST_FAST = 1 << 12

Spans = Sequence[tuple[int, int]]


def read_arena(
    process: Process, layout: Layout, address: int, progress: ReadProgress | None = None
) -> GlibcHeap | None:
    """Return the chunks of the arena whose heap holds the address, with what free lists hold of them; the other arenas
    have no chunks there.

    None where that is not plain, and only read_heap() can tell: the address is in no arena's heap, anything that was
    met is broken or was cut short, or another arena's list may hold the chunk there.
    """
    ring, faults = read_ring(process, layout)
    parameters = None
    if layout.mp is not None and layout.malloc_par is not None:
        parameters = layout.malloc_par.read(process.memory, layout.mp.value)
    index = _arena_at(process, layout, ring, parameters, address)
    if faults or index is None:
        return None
    walker = Walker(process.memory, layout, progress)
    _, wrong_top = with_true_top(process, layout, ring[index], parameters, walker)
    if wrong_top is not None:
        return None
    if index:
        stretches, faults = walk_heaps(process, ring[index], walker)
    else:
        claimed = [
            (heap.address, heap.address + layout.heap_max)
            for arena in ring[1:]
            for heap in read_heaps(process, layout, arena)[0]
        ]
        stretches = walk_main(process, ring[0], parameters, walker, claimed)
    if faults or any(each.faults or each.interrupted for each in stretches):
        return None
    walked = [stretches if each == index else [] for each in range(len(ring))]
    bins, faults = read_lists(process, layout, [(index, ring[index])], parameters, walked)
    spans = sorted((each.start, each.end) for each in stretches)
    here = [_within(each, spans) for each in bins]
    table = joined_table(layout, walked, [], here, faults)
    if faults or not any(start <= address < end for start, end in spans):
        return None
    others = [(number, arena) for number, arena in enumerate(ring) if number != index]
    if _is_listed_elsewhere(process, layout, others, table, address):
        return None
    arenas = tuple(arena_of(number, value, value["top"], walked[number]) for number, value in enumerate(ring))
    return GlibcHeap(layout, arenas, table, tuple(bins), (), parameters)


def _arena_at(
    process: Process, layout: Layout, ring: list[StructValue], parameters: StructValue | None, address: int
) -> int | None:
    """Return the place in the ring of the arena whose heap holds the address, None where none does for certain."""
    for index, arena in enumerate(ring[1:], 1):
        heaps, faults = read_heaps(process, layout, arena)
        if faults:
            return None
        if any(heap.first_chunk <= address < heap.end for heap in heaps):
            return index
    start = first_chunk(process, layout, ring[0], parameters)
    return 0 if start is not None and start <= address < start + ring[0]["system_mem"] else None


def _is_listed_elsewhere(
    process: Process, layout: Layout, others: Sequence[tuple[int, StructValue]], table: ChunkTable, address: int
) -> bool:
    """Whether a list of another arena may hold the chunk at the address, though no list of its own does: its links
    are those of a list, or a fastbin leads to it (or is too long to tell): one of its size, or any if its first word
    could be such a list's link."""
    row = table.row_at(address)
    if row is None or table.state[row] != State.IN_USE:
        return False
    chunk, fd = int(table.address[row]), 0
    try:
        fd, bk = process.words.read_many(chunk + layout.header, 2).tolist()
        back = process.words.read(fd + layout.header + layout.pointer_size), process.words.read(bk + layout.header)
    except (MemoryFault, OverflowError):
        back = 0, 0
    if back == (chunk, chunk):
        return True
    following = demangle(chunk + layout.header, fd, layout)
    is_link = not following or (
        (following + layout.header) % layout.alignment == 0 and process.address_space.find(following) is not None
    )
    # A fastbin of chunks of another size has this one only where it is broken; and to follow them all takes a read for
    # each chunk of each.
    only = None if is_link else int(table.size[row])
    links, no_columns = Links(process.words, layout, _MOST_FAST), FreeLists(layout, [])
    fast = [each for number, arena in others for each in read_fastbins(links, arena, number, no_columns, only)]
    return any(each.fault is not None or chunk in each.chunks for each in fast)


def _within(each: Bin, spans: Spans) -> Bin:
    """Return the bin with those of its chunks alone that lie in the spans, which are in order: a tcache has chunks of
    all arenas."""
    starts = [start for start, _ in spans]
    kept = []
    for chunk in each.chunks:
        index = bisect_right(starts, chunk) - 1
        if index >= 0 and chunk < spans[index][1]:
            kept.append(chunk)
    return replace(each, chunks=Addresses(kept))
