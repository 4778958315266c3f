"""Aborts over a link of a list that malloc has already taken apart: an ending thread's tcache, and the fastbins in
malloc_consolidate.

The block whose first word was overwritten is in no such list any more: it was freed anew, or merged, right before
its link was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.abort_texts.topic import Topic, topic_of
from gdbheap.analysis.facts.passed import EntryMisaligned, FoundBy, LinkLeadsTo, UnsortedBin, Way
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import Arena, Bin
from gdbheap.glibc.sizes import request_to_size, tcache_range
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.fact import Fact

if TYPE_CHECKING:
    from numpy.typing import NDArray


def of_emptied_list(heap: CheckedHeap, text: str) -> AffectedChunk | None:
    """Return the block whose link was overwritten, where the text is about a list that is gone; None for other
    texts, or where it is not found."""
    topic = topic_of(text)
    if Topic.ENDED_TCACHE in topic:
        return _of_ended_tcache(heap)
    if Topic.CONSOLIDATED in topic:
        return _of_consolidated(heap)
    return None


def _of_ended_tcache(heap: CheckedHeap) -> AffectedChunk | None:
    """Mirrors tcache_thread_shutdown(): the thread has given up its pointer to the tcache, and frees what is in it,
    bin by bin."""
    struct = heap.layout.tcache_struct
    if struct is None:
        return None
    table = heap.table
    size = request_to_size(struct.size, heap.layout)
    held = (table.state == State.IN_USE) | (table.state == State.MALLOC_OWNED)
    for mem in (table.address[held & (table.size == np.uint64(size))] + np.uint64(heap.layout.header)).tolist():
        try:
            entries = list(struct.read(heap.process.memory, mem).array("entries"))
        except MemoryFault:
            continue
        index = next((index for index, entry in enumerate(entries) if entry), None)
        if index is None or entries[index] % heap.layout.alignment == 0:
            continue
        if any(each and heap.view.chunk_at(each) is None for each in entries[index + 1 :]):
            continue  # no tcache: a block of the program's that is as large
        slot = mem + struct["entries"].offset + index * heap.layout.pointer_size
        evidence = EntryMisaligned(index, slot, entries[index], heap.layout.alignment)
        return _freed_before(heap, mem, entries[index], tcache_range(index, heap.layout), evidence)
    return None


def _freed_before(heap: CheckedHeap, tcache: int, head: int, sizes: tuple[int, int], evidence: Fact) -> AffectedChunk:
    """Return the block that the misaligned entry came from: one that was handed out with the link still in it, or
    the one just freed."""
    table, (low, high) = heap.table, sizes
    rows = np.flatnonzero(
        (table.state == State.IN_USE) & (table.size >= np.uint64(low)) & (table.size <= np.uint64(high))
    )
    for address, link in _links(heap, rows):
        if link == head:
            return AffectedChunk(address, None, FoundBy(Way.BECAME_HEAD), evidence)
    arena = next((each for each in heap.view.arenas if any(r.start <= tcache < r.end for r in each.regions)), None)
    freed = [
        each
        for each in (
            *_newest(heap, "fastbin", arena),
            *_newest(heap, "unsorted", arena),
            *_newest(heap, "small", arena),
        )
        if low <= _size(heap, each) <= high
    ]
    if not freed:
        return AffectedChunk(None, None, FoundBy(Way.MERGED_SINCE), evidence)
    return AffectedChunk(freed[0], None, FoundBy(Way.ENDING_THREAD), evidence)


def _of_consolidated(heap: CheckedHeap) -> AffectedChunk | None:
    """Mirrors malloc_consolidate(): what comes off a fastbin is merged, and goes to the head of the unsorted bin, or
    into top."""
    busy = [arena for arena in heap.view.arenas if arena.value["mutex"]] or list(heap.view.arenas[:1])
    if len(busy) != 1 or (len(heap.view.arenas) > 1 and not busy[0].value["mutex"]):
        return None
    arena = busy[0]
    table = heap.table
    most = heap.layout.global_max_fast or 16 * heap.layout.pointer_size
    rows = np.flatnonzero(
        (table.state == State.IN_USE) & (table.arena == arena.index) & (table.size <= np.uint64(most))
    )
    off = [
        (address, link)
        for address, link in _links(heap, rows)
        if (link + heap.layout.header) % heap.layout.alignment
        and any(region.start <= link < region.end for region in arena.regions)
    ]
    if len(off) == 1:
        address, link = off[0]
        return AffectedChunk(address, None, FoundBy(Way.STILL_THE_LINK), LinkLeadsTo(link))
    newest = list(_newest(heap, "unsorted", arena))
    if newest:
        way = Way.CONSOLIDATED_AND_MERGED if _size(heap, newest[0]) > most else Way.CONSOLIDATED
        return AffectedChunk(newest[0], None, FoundBy(way), UnsortedBin(False))
    return AffectedChunk(arena.top, None, FoundBy(Way.CONSOLIDATED_INTO_TOP), UnsortedBin(True))


def _newest(heap: CheckedHeap, kind: str, arena: Arena | None) -> Iterator[int]:
    """Yield the chunk that was last put into each list of this kind."""
    for each in heap.view.bins:
        if each.kind == kind and each.chunks and (arena is None or each.arena == arena.index):
            yield _first(each)


def _first(each: Bin) -> int:
    # Fastbins are listed from their head, the others from the end where malloc takes.
    return int(each.chunks[0] if each.kind == "fastbin" else each.chunks[-1])


def _links(heap: CheckedHeap, rows: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """Yield each of these blocks with the link that its first word would be."""
    header = heap.layout.header
    addresses = heap.table.address[rows]
    stored = gather_words(heap.process.memory, heap.layout.pointer_size, addresses + np.uint64(header))[:, 0]
    for address, word in zip(addresses.tolist(), stored.tolist()):
        if word:
            yield address, demangle(address + header, word, heap.layout)


def _size(heap: CheckedHeap, chunk: int) -> int:
    row = heap.table.row_of(chunk)
    return 0 if row is None else int(heap.table.size[row])
