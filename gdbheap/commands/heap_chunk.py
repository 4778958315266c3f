"""heap chunk: one chunk, its header bit by bit, its neighbours and its place in a free list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gdbheap.analysis.objects.preview import preview
from gdbheap.errors import MemoryFault, UsageError
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, place_of
from gdbheap.glibc.sizes import usable_size
from gdbheap.glibc.walk.links import demangle
from gdbheap.interface.command import Argument, Command
from gdbheap.process.memory import Words
from gdbheap.report.report import Column, Report
from gdbheap.session.target import Target

_COLUMNS = (Column("field", "text", "heading"), Column("value", "text", "address"), Column("meaning", "text"))

_Row = tuple[str, Any, str]


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Describe the chunk that holds the address."""
    address = arguments["address"]
    view = target.heap()
    row = view.table.row_at(address)
    if row is None:
        raise UsageError(f"{address:#x} is in no chunk of the heap; `vmmap {address:#x}` tells what is there")
    chunk = view.table[row]
    words = Words(target.process.memory, view.layout.pointer_size)
    rows = list(_describe(target, view, chunk, address))
    try:
        rows += _header(view, chunk, words)
        rows += _links(view, chunk, words)
    except MemoryFault as error:
        rows.append(("header", None, str(error)))
    rows += _neighbours(view, row)
    faults = tuple(fault for fault in view.faults if chunk.address <= fault.address < chunk.end)
    return Report("heap chunk", _COLUMNS, rows, faults=faults)


def _describe(target: Target, view: HeapView, chunk: Chunk, address: int) -> Iterator[_Row]:
    mem = chunk.address + view.layout.header
    offset = address - mem
    where = (
        f"{offset:#x} bytes into the user's part" if offset >= 0 else f"{-offset:#x} bytes before mem: in the header"
    )
    if address == mem:
        where = "the pointer that malloc returned"
    yield "address asked for", f"{address:#x}", where
    yield "chunk", f"{chunk.address:#x}", f"its header; the chunk ends at {chunk.end:#x}"
    yield "mem", f"{mem:#x}", "what malloc returns for it"
    place = place_of(view, chunk)
    yield "state", chunk.state.label, place and f"{place} (1 is what malloc takes next)"
    yield "arena", arena_name(chunk.arena), _arena_words(view, chunk)
    if chunk.state is State.IN_USE or chunk.state.is_free:
        usable = usable_size(chunk.size, chunk.is_mmapped, view.layout)
        yield "usable", f"{usable:#x}", f"{usable} bytes for the user (malloc_usable_size)"
    contents = preview(target.process.memory, view.layout, chunk, target.symbol_at)
    if contents:
        yield "contents", contents, ""


def _arena_words(view: HeapView, chunk: Chunk) -> str:
    if chunk.is_mmapped:
        return "a mapping of its own"
    return f"malloc_state at {view.arenas[chunk.arena].address:#x}"


def _header(view: HeapView, chunk: Chunk, words: Words) -> Iterator[_Row]:
    """Yield the two words of the header, the flags each on a line."""
    prev_size, raw = words.read_many(chunk.address, 2)
    layout = view.layout
    if chunk.is_mmapped:
        meaning = "bytes from the mapping's start to the chunk" + (" (bit 0: MAP_HUGETLB)" if prev_size & 1 else "")
    elif raw & PREV_INUSE:
        meaning = "the previous chunk's data: it is in use"
    else:
        meaning = f"size of the free chunk before, at {chunk.address - prev_size:#x}"
    yield "prev_size", f"{prev_size:#x}", meaning
    yield "size", f"{raw:#x}", f"{raw & ~FLAG_MASK:#x} ({raw & ~FLAG_MASK} bytes) and the flags"
    inuse = (
        "the previous chunk is in use (or in a tcache or fastbin)" if raw & PREV_INUSE else "the previous chunk is free"
    )
    if chunk.is_mmapped:
        inuse = "never set in an mmapped chunk"
    yield "  bit 0 PREV_INUSE", str(raw & PREV_INUSE), inuse
    mapped = "it has a mapping of its own; free unmaps it" if raw & IS_MMAPPED else "it lies in an arena's heap"
    yield "  bit 1 IS_MMAPPED", str(int(bool(raw & IS_MMAPPED))), mapped
    heap = chunk.address & ~(layout.heap_max - 1)
    owner = f"of the arena that the heap_info at {heap:#x} names" if raw & NON_MAIN_ARENA else "of the main arena"
    binned = chunk.state in (State.UNSORTED, State.SMALL, State.LARGE, State.TOP)
    if binned and chunk.arena and not raw & NON_MAIN_ARENA:
        owner = "clear in binned chunks and top of every arena"
    yield "  bit 2 NON_MAIN_ARENA", str(int(bool(raw & NON_MAIN_ARENA))), owner


def _links(view: HeapView, chunk: Chunk, words: Words) -> Iterator[_Row]:
    """Yield the links that a free chunk keeps in the user's part."""
    layout = view.layout
    mem = chunk.address + layout.header
    if chunk.state in (State.TCACHE, State.FASTBIN):
        stored = words.read(mem)
        following = demangle(mem, stored, layout)
        how = f"= {following:#x}: stored xor ({mem:#x} >> 12)" if layout.safe_linking else f"= {following:#x}"
        name = "next" if chunk.state is State.TCACHE else "fd"
        yield name, f"{stored:#x}", how if following else f"{how}; the last of its list"
    if chunk.state is State.TCACHE:
        key = words.read(mem + layout.pointer_size)
        yield "key", f"{key:#x}", "marks the block as cached, to catch a double free"
    if chunk.state in (State.UNSORTED, State.SMALL, State.LARGE):
        names = ("fd", "bk", "fd_nextsize", "bk_nextsize")[: 4 if chunk.state is State.LARGE else 2]
        for name, value in zip(names, words.read_many(mem, len(names))):
            yield name, f"{value:#x}", _link_words(view, value)


def _link_words(view: HeapView, link: int) -> str:
    if not link:
        return "not the first of its size"
    chunk = view.chunk_at(link)
    if chunk is not None and chunk.address == link:
        return f"{chunk.state.label} chunk of {chunk.size:#x}"
    arena = next((each for each in view.arenas if 0 <= link - each.address < view.layout.malloc_state.size), None)
    return f"the bin's header in arena {arena.name}" if arena else "no chunk of the heap"


def _neighbours(view: HeapView, row: int) -> Iterator[_Row]:
    """Yield the chunks that touch this one on either side."""
    chunk = view.table[row]
    if row and view.table[row - 1].end == chunk.address:
        yield "before", f"{view.table[row - 1].address:#x}", _neighbour_words(view, view.table[row - 1])
    if row + 1 < len(view.table) and view.table[row + 1].address == chunk.end:
        yield "after", f"{view.table[row + 1].address:#x}", _neighbour_words(view, view.table[row + 1])


def _neighbour_words(view: HeapView, chunk: Chunk) -> str:
    place = place_of(view, chunk)
    return f"{chunk.state.label} chunk of {chunk.size:#x}" + (f", {place}" if place else "")


COMMAND = Command(
    name="heap chunk",
    summary="Describe the chunk that holds an address: header, flags, place, links, neighbours.",
    description="Any address in the chunk will do, interior pointers and the header included.",
    run=run,
    arguments=(Argument("ADDRESS", "expression", "Any address in the chunk.", required=True),),
    examples=(
        ("heap chunk p", "the chunk that p points into"),
        ("heap chunk list->next", "the chunk of a list's second element"),
    ),
)
