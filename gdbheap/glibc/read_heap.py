"""read_heap: a process and a layout in, everything that malloc has out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.errors import UnusedHeap
from gdbheap.glibc.arena import read_heaps, read_ring
from gdbheap.glibc.bins import Links, read_bins, read_fastbins
from gdbheap.glibc.chunk_table import FLAG_MASK, FREE_STATES, IS_MMAPPED, MMAPPED_ARENA, ChunkTable, State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.glibc.heap_view import Arena, Bin, Region
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.main_arena import add_top, walk_main
from gdbheap.glibc.mmapped import MmappedChunk, find_mmapped
from gdbheap.glibc.naming import list_name
from gdbheap.glibc.repair.recovered_top import with_true_top
from gdbheap.glibc.tcache import read_tcache
from gdbheap.glibc.walk.free_lists import FreeLists
from gdbheap.glibc.walk.heap_segment import HeapSegment, Sentinel, walk_stretch
from gdbheap.glibc.walk.walk import Observer, Walk, Walker
from gdbheap.lazy import np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault, called
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Columns = tuple[
    "NDArray[np.uint64]", "NDArray[np.uint64]", "NDArray[np.uint8]", "NDArray[np.uint8]", "NDArray[np.uint16]"
]

_LEAVES_HEAP = called("free_list_leaves_heap")
_IN_TWO_LISTS = called("chunk_in_two_free_lists")

# Of one kind in one list; more say nothing new.
_MOST_FAULTS = 16

_STATE_OF_KIND = {
    "tcache": State.TCACHE,
    "fastbin": State.FASTBIN,
    "unsorted": State.UNSORTED,
    "small": State.SMALL,
    "large": State.LARGE,
}


def read_heap(
    process: Process, layout: Layout, progress: ReadProgress | None = None, observer: Observer | None = None
) -> GlibcHeap:
    """Read every arena, chunk and free list.

    Heaps are walked first, with fd and bk of every chunk taken along, so that lists of a million chunks are then
    followed without a read each; states join by address at the end. `progress` is called with each address reached,
    about once a MiB; a KeyboardInterrupt cuts the walk short and leaves `complete` False. `observer`, if given, sees
    what is read of the arenas' chunks. Raises MemoryFault where main_arena cannot be read, UnusedHeap where malloc has
    not been used yet.
    """
    parameters = None
    if layout.mp is not None and layout.malloc_par is not None:
        parameters = layout.malloc_par.read(process.memory, layout.mp.value)
    ring, faults = read_ring(process, layout)
    if len(ring) == 1 and not ring[0]["top"] and not any(ring[0].array("bins")):
        raise UnusedHeap("malloc has not been used yet: main_arena is empty. Stop later, after the first malloc")
    walker = Walker(process.memory, layout, progress, observer)
    tops = [with_true_top(process, layout, arena, parameters, walker) for arena in ring]
    faults += [fault for _, fault in tops if fault is not None]
    trusted = [arena for arena, _ in tops]
    stretches = _walk_arenas(process, trusted, parameters, walker, faults)
    claimed = [(each.mapping, each.end) for arena in stretches for each in arena]
    mmapped, mmapped_notes = find_mmapped(process, layout, parameters, claimed)
    bins, broken = read_lists(process, layout, enumerate(ring), parameters, stretches)
    faults += broken
    table = joined_table(layout, stretches, mmapped, bins, faults)
    return GlibcHeap(
        layout=layout,
        arenas=tuple(
            arena_of(index, value, trusted[index]["top"], stretches[index]) for index, value in enumerate(ring)
        ),
        table=table,
        bins=tuple(bins),
        faults=tuple(faults),
        parameters=parameters,
        notes=(*_notes(process, layout, stretches), *mmapped_notes),
        complete=not any(each.interrupted for arena in stretches for each in arena),
    )


def _walk_arenas(
    process: Process,
    ring: list[StructValue],
    parameters: StructValue | None,
    walker: Walker,
    faults: list[Fault],
) -> list[list[HeapSegment]]:
    """Return every arena's stretches, in ring order."""
    others = []
    for arena in ring[1:]:
        stretches, broken = walk_heaps(process, arena, walker)
        others.append(stretches)
        faults += broken
    claimed = [(each.mapping, each.mapping + walker.layout.heap_max) for arena in others for each in arena]
    main = walk_main(process, ring[0], parameters, walker, claimed)
    everything = [main, *others]
    faults += [fault for arena in everything for each in arena for fault in each.faults]
    return everything


def walk_heaps(process: Process, arena: StructValue, walker: Walker) -> tuple[list[HeapSegment], list[Fault]]:
    """Walk a non-main arena's heaps; the newest holds top."""
    heaps, faults = read_heaps(process, walker.layout, arena)
    stretches = []
    for heap in heaps:
        top = arena["top"]
        holds_top = heap.first_chunk <= top < heap.end
        limit = top if holds_top else heap.end
        closed = heap is not heaps[-1]
        stretch = walk_stretch(walker, heap.address, heap.first_chunk, limit, closed)
        if holds_top and stretch.end == top and not stretch.interrupted:
            add_top(process, walker.layout, stretch, arena, heap.end)
        stretches.append(stretch)
    return stretches, faults


def arena_of(index: int, value: StructValue, top: int, stretches: list[HeapSegment]) -> Arena:
    """Return the arena, with the regions that its stretches are."""
    regions = tuple(Region(index, each.mapping, each.start, each.end) for each in stretches)
    tops = [mark for each in stretches for mark in each.marks if mark.state is State.TOP]
    return Arena(index, value.address, value, regions, top, tops[0].size if tops else 0)


def _notes(process: Process, layout: Layout, stretches: list[list[HeapSegment]]) -> list[Fact]:
    notes: list[Fact] = [*layout.notes, *(note for arena in stretches for each in arena for note in each.notes)]
    notes += [
        clause("tcache_of_thread_unknown", thread=each.number, why=each.reason) for each in layout.unknown_tcaches
    ]
    if not process.address_space.known:
        notes.append(clause("mappings_not_shown"))
    if process.unheld:
        notes.append(clause("threads_not_held", count=len(process.unheld)))
    return notes


def read_lists(
    process: Process,
    layout: Layout,
    arenas: Iterable[tuple[int, StructValue]],
    parameters: StructValue | None,
    stretches: list[list[HeapSegment]],
) -> tuple[list[Bin], list[Fault]]:
    """Return every non-empty free list, tcaches by thread, then those of the arenas, which come with their places in
    the ring, and what is broken in them."""
    walks = [walk for arena in stretches for each in arena for walk in each.walks]
    lists = FreeLists(layout, walks)
    links = Links(process.words, layout, sum(len(walk.raw) for walk in walks))
    bins: list[Bin] = []
    faults: list[Fault] = []
    for thread in layout.threads:
        if thread.tcache is not None and layout.tcache_struct is not None:
            found, broken = read_tcache(process, layout, layout.tcache_struct, thread, parameters)
            bins += found
            faults += broken
    for index, arena in arenas:
        found = read_fastbins(links, arena, index, lists) + read_bins(links, arena, index, lists)
        bins += found
        faults += [each.fault for each in found if each.fault]
    return bins, faults


def joined_table(
    layout: Layout,
    stretches: list[list[HeapSegment]],
    mmapped: list[MmappedChunk],
    bins: list[Bin],
    faults: list[Fault],
) -> ChunkTable:
    """Put walks, marks and mmapped chunks into one table in address order, and give each chunk its state."""
    walks = [(index, walk) for index, arena in enumerate(stretches) for each in arena for walk in each.walks]
    walks = sorted((each for each in walks if len(each[1].raw)), key=lambda each: int(each[1].address[0]))
    marks = [(index, mark) for index, arena in enumerate(stretches) for each in arena for mark in each.marks]
    marks += [(MMAPPED_ARENA, Sentinel(each.address, each.size, IS_MMAPPED, State.IN_USE)) for each in mmapped]
    marks.sort(key=lambda each: each[1].address)
    marked: _Columns = _mark_rows(marks)
    count = len(marks) + sum(len(walk.raw) for _, walk in walks)
    table = ChunkTable(*(np.empty(count, column.dtype) for column in marked))
    done = put = 0
    # No mark lies within a walk.
    for index, walk in walks:
        before = int(np.searchsorted(marked[0], walk.address[0]))
        put = _put_marks(table, put, marked, range(done, before))
        put, done = _put_walk(table, put, index, walk), before
    _put_marks(table, put, marked, range(done, len(marks)))
    # Walks lie apart, and each is in order; overlapping heaps are corrupt ones.
    if not bool(np.all(table.address[1:] >= table.address[:-1])):
        table = table.take(np.argsort(table.address, kind="stable"))
    _set_malloc_owned(layout, table)
    if not _set_free_at_once(table, bins):
        _set_free(table, bins, faults)
    return table


def _put_marks(table: ChunkTable, first: int, marked: _Columns, chosen: range) -> int:
    """Fill rows of the table, from the first on, with some marks; return the row behind them."""
    last = first + len(chosen)
    columns: tuple[NDArray[Any], ...] = (table.address, table.size, table.flags, table.state, table.arena)
    told: tuple[NDArray[Any], ...] = marked
    for column, marks in zip(columns, told):
        column[first:last] = marks[chosen.start : chosen.stop]
    return last


def _put_walk(table: ChunkTable, first: int, arena: int, walk: Walk) -> int:
    """Fill rows of the table, from the first on, with a walk's chunks; return the row behind them. What the next header
    calls free is UNKNOWN until a list names it."""
    last = first + len(walk.raw)
    table.address[first:last] = walk.address
    np.bitwise_and(walk.raw, ~np.uint64(FLAG_MASK), out=table.size[first:last])
    table.flags[first:last] = walk.raw.astype(np.uint8) & FLAG_MASK
    table.state[first:last] = State.IN_USE
    table.state[first:last][walk.free_rows()] = State.UNKNOWN
    table.arena[first:last] = arena
    return last


def _mark_rows(marks: list[tuple[int, Sentinel]]) -> _Columns:
    return (
        np.array([mark.address for _, mark in marks], np.uint64),
        np.array([mark.size for _, mark in marks], np.uint64),
        np.array([mark.flags for _, mark in marks], np.uint8),
        np.array([mark.state for _, mark in marks], np.uint8),
        np.array([arena for arena, _ in marks], np.uint16),
    )


def _set_malloc_owned(layout: Layout, table: ChunkTable) -> None:
    """The struct of each tcache is an ordinary chunk, which malloc took from itself."""
    for thread in layout.threads:
        row = None if thread.tcache is None else table.row_of(thread.tcache.value - layout.header)
        if row is not None:
            table.state[row] = State.MALLOC_OWNED


def _set_free_at_once(table: ChunkTable, bins: list[Bin]) -> bool:
    """Give the chunks of all lists their state if each is a chunk, and in one list; else change nothing and return
    False."""
    addresses = np.concatenate([np.empty(0, np.uint64), *(np.asarray(each.chunks, np.uint64) for each in bins)])
    if not len(table) or not len(addresses):
        return not len(addresses)
    rows = table.rows_of(addresses)
    # (Of chunks at one address, in heaps that overlap, the slower way knows which is meant.)
    if (rows < 0).any() or not (table.address[1:] > table.address[:-1]).all():
        return False
    listed = np.zeros(len(table), np.bool_)
    listed[rows] = True
    if np.count_nonzero(listed) != len(rows):
        return False
    states = np.array([_STATE_OF_KIND[each.kind] for each in bins], np.uint8)
    table.state[rows] = np.repeat(states, [len(each.chunks) for each in bins])
    return True


def _set_free(table: ChunkTable, bins: list[Bin], faults: list[Fault]) -> None:
    """Give the chunks of each list their state; a list that names no chunk, or one that another list has, is a Fault.

    A tcache or fastbin list ends (in `bins`) before the first address where no chunk begins: what follows it is
    anybody's data.
    """
    free = [int(state) for state in FREE_STATES]
    for index, each in enumerate(bins):
        addresses = np.array(each.chunks, np.uint64)
        rows = np.minimum(np.searchsorted(table.address, addresses), max(len(table) - 1, 0))
        known = table.address[rows] == addresses if len(table) else np.zeros(len(addresses), bool)
        if not known.all():
            stray = addresses[~known].tolist()
            left = [
                Fault(
                    address,
                    _LEAVES_HEAP,
                    clause("list_holds_no_chunk", list=list_name(each), chunk=Address(address)),
                    Invariant.LIST_IN_HEAP,
                )
                for address in stray[:_MOST_FAULTS]
            ]
            if each.kind in ("tcache", "fastbin"):
                end = int(np.argmin(known))
                rows, known, addresses, left = rows[:end], known[:end], addresses[:end], left[:1]
                bins[index] = replace(each, chunks=each.chunks[:end], fault=left[0])
                faults[:] = [fault for fault in faults if fault is not each.fault]
            faults += left
        taken = np.isin(table.state[rows], free) & known if len(table) else known
        for address in addresses[taken][:_MOST_FAULTS].tolist():
            faults.append(
                Fault(address, _IN_TWO_LISTS, clause("list_holds_it_too", list=list_name(each)), Invariant.LISTED_ONCE)
            )
        table.state[rows[known & ~taken]] = _STATE_OF_KIND[each.kind]
