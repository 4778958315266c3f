"""heap chunk: one chunk, its header bit by bit, its neighbours and its place in a free list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field as member
from typing import Any

from gdbheap.analysis.addresses.address_fact import AddressFact
from gdbheap.analysis.addresses.explain_chunk import state_facts
from gdbheap.analysis.addresses.preview import preview
from gdbheap.errors import MemoryFault, UsageError
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import arena_name, place_of
from gdbheap.glibc.sizes import usable_size
from gdbheap.glibc.walk.links import demangle
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.pictures.chunk_drawing import chunk_lines
from gdbheap.process.address import Address
from gdbheap.process.memory import Words
from gdbheap.report.report import Facts, GivesWay, Line, Next, Prose, Report, Table
from gdbheap.report.rows import column, columns_of
from gdbheap.sentences.faults import faults_section
from gdbheap.session.large_heap import is_large, names_at_hand, notes_on_names
from gdbheap.session.target import Target
from gdbheap.session.type_facts import type_facts


@dataclass(frozen=True)
class _Row:
    """A fact about the chunk; `shown` is how people read the field's name."""

    shown: str = member(metadata=column("text", "heading", published=False, heading="field"))
    value: str | None = member(metadata=column("text", "address", gives=(GivesWay(20, 30),)))
    meaning: str = member(metadata=column())
    field: str = member(metadata=column(shown=False))
    facts: Mapping[str, Any] = member(metadata=column("facts", shown=False))


# The bits of a size field, by the column's name: they are shown below it.
_BITS = {"prev_inuse": "bit 0 PREV_INUSE", "is_mmapped": "bit 1 IS_MMAPPED", "non_main_arena": "bit 2 NON_MAIN_ARENA"}


# So many bytes of a block are looked at for pointers, and so many of these are followed.
_LOOKED_AT = 256
_MOST_LEADS = 4


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Describe the chunk that holds the address."""
    address = arguments["address"]
    view = target.heap_around(address) if is_large(target) else target.heap()
    row = view.table.row_at(address)
    if row is None:
        raise UsageError(f"{address:#x} is in no chunk of the heap; `vmmap {address:#x}` shows what is there")
    chunk = view.table[row]
    words = Words(target.process.memory, view.layout.pointer_size)
    rows = list(_describe(target, view, chunk, address))
    drawn: tuple[Line, ...] = ()
    try:
        rows += _header(view, chunk, words)
        links = list(_links(view, chunk, words))
        drawn = tuple(_drawn(view, row, words, links))
        rows += links
    except MemoryFault as error:
        rows.append(AddressFact("header", None, str(error)))
    rows += _neighbours(view, row)
    faults = tuple(fault for fault in view.faults if chunk.address <= fault.address < chunk.end)
    return Report(
        "heap chunk",
        (
            Prose(drawn),
            Table(columns_of(_Row), [_row(each) for each in rows]),
            Facts({"address": Address(address)}, shown=False),
            faults_section(faults),
        ),
        notes=notes_on_names(target, address) if chunk.state is State.IN_USE else (),
        next=tuple(_next(chunk, view.layout.header)),
    )


def _next(chunk: Chunk, header: int) -> Iterator[Next]:
    if chunk.state is State.IN_USE:
        yield Next(f"heap owners {chunk.address + header:#x}", "who points to it")
    elif chunk.state.is_free:
        yield Next("heap bins", "the list that it is in")
    yield Next(f"heap vis {chunk.address:#x} --count 1", "its bytes")


def _drawn(view: HeapView, row: int, words: Words, links: Sequence[AddressFact]) -> Iterator[Line]:
    """Yield the chunk drawn as it lies in memory."""
    chunk = view.table[row]
    after = view.table[row + 1] if row + 1 < len(view.table) and view.table[row + 1].address == chunk.end else None
    leads = [(each.field, int(each.facts["leads_to"])) for each in links if "leads_to" in each.facts]
    yield from chunk_lines(view, chunk, words.read_many(chunk.address, 2), leads, after)


def _row(fact: AddressFact) -> _Row:
    from gdbheap.sentences.facts.said import meaning_of, value_of  # kept out of gdb's start

    name = f"  {_BITS[fact.field]}" if fact.field in _BITS else fact.field
    return _Row(name, value_of(fact), meaning_of(fact), fact.field, fact.facts)


def _describe(target: Target, view: HeapView, chunk: Chunk, address: int) -> Iterator[AddressFact]:
    mem = chunk.address + view.layout.header
    offset = address - mem
    where = (
        f"{offset:#x} bytes into the user's part" if offset >= 0 else f"{-offset:#x} bytes before mem: in the header"
    )
    if address == mem:
        where = "the pointer that malloc returned"
    yield AddressFact("address asked for", f"{address:#x}", where, {"address": Address(address), "offset": offset})
    bounds = {"address": Address(chunk.address), "end": Address(chunk.end)}
    yield AddressFact("chunk", f"{chunk.address:#x}", f"its header; the chunk ends at {chunk.end:#x}", bounds)
    yield AddressFact("mem", f"{mem:#x}", "what malloc returns for it", {"mem": Address(mem)})
    place = place_of(view, chunk)
    words = place and f"{place} (1 is what malloc takes next)"
    yield AddressFact("state", chunk.state.label, words, state_facts(view, chunk))
    yield _arena(view, chunk)
    if chunk.state is State.IN_USE or chunk.state.is_free:
        usable = usable_size(chunk.size, chunk.is_mmapped, view.layout)
        words = f"{usable} bytes for the user (malloc_usable_size)"
        yield AddressFact("usable", f"{usable:#x}", words, {"usable": usable})
    contents = preview(target.process.memory, view.layout, chunk, target.symbol_at)
    if contents:
        yield AddressFact("contents", contents)
    if chunk.state is State.IN_USE:
        yield from type_facts(names_at_hand(target), mem, address)
        yield from _leads(target, view, chunk)


def _leads(target: Target, view: HeapView, chunk: Chunk) -> Iterator[AddressFact]:
    """Yield where the first pointers in a block lead."""
    from gdbheap.analysis.addresses.pointer_chain import pointer_chain
    from gdbheap.sentences.pointer_chains import chain_text

    mem, size = chunk.address + view.layout.header, view.layout.pointer_size
    names, found = names_at_hand(target), 0
    block = None if names is None else names.find(mem)
    for offset in range(0, min(usable_size(chunk.size, chunk.is_mmapped, view.layout), _LOOKED_AT) - size + 1, size):
        word = target.process.words.read(mem + offset)
        chain = pointer_chain(target.process, word, target.symbol_at)
        if chain is None:
            continue
        member = "" if names is None or block is None else names.members_in(block, offset, size)
        facts = {"offset": offset, "member": member or None, **chain.facts()}
        where = f"{member} (+{offset:#x})" if member else f"+{offset:#x}"
        yield AddressFact("leads to", f"{word:#x}", f"{where}{chain_text(chain)}", facts)
        found += 1
        if found == _MOST_LEADS:
            return


def _arena(view: HeapView, chunk: Chunk) -> AddressFact:
    name = arena_name(chunk.arena)
    if chunk.is_mmapped:
        return AddressFact("arena", name, "a mapping of its own", {"arena": name})
    address = view.arenas[chunk.arena].address
    return AddressFact("arena", name, f"malloc_state at {address:#x}", {"arena": name, "address": Address(address)})


def _header(view: HeapView, chunk: Chunk, words: Words) -> Iterator[AddressFact]:
    """Yield the two words of the header, the flags each on a line."""
    prev_size, raw = words.read_many(chunk.address, 2)
    layout = view.layout
    if chunk.is_mmapped:
        meaning = "bytes from the mapping's start to the chunk" + (" (bit 0: MAP_HUGETLB)" if prev_size & 1 else "")
    elif raw & PREV_INUSE:
        meaning = "the previous chunk's data: it is in use"
    else:
        meaning = f"size of the free chunk before, at {chunk.address - prev_size:#x}"
    yield AddressFact("prev_size", f"{prev_size:#x}", meaning, {"prev_size": prev_size})
    size = raw & ~FLAG_MASK
    yield AddressFact(
        "size", f"{raw:#x}", f"{size:#x} ({size} bytes) and the flags", {"raw": Address(raw), "size": size}
    )
    inuse = (
        "the previous chunk is in use (or in a tcache or fastbin)" if raw & PREV_INUSE else "the previous chunk is free"
    )
    if chunk.is_mmapped:
        inuse = "never set in an mmapped chunk"
    yield _bit("prev_inuse", raw & PREV_INUSE, inuse)
    mapped = "it has a mapping of its own; free unmaps it" if raw & IS_MMAPPED else "it lies in an arena's heap"
    yield _bit("is_mmapped", raw & IS_MMAPPED, mapped)
    heap = chunk.address & ~(layout.heap_max - 1)
    owner = f"of the arena that the heap_info at {heap:#x} names" if raw & NON_MAIN_ARENA else "of the main arena"
    binned = chunk.state in (State.UNSORTED, State.SMALL, State.LARGE, State.TOP)
    if binned and chunk.arena and not raw & NON_MAIN_ARENA:
        owner = "clear in binned chunks and top of every arena"
    yield _bit("non_main_arena", raw & NON_MAIN_ARENA, owner)


def _bit(name: str, bit: int, meaning: str) -> AddressFact:
    return AddressFact(name, str(int(bool(bit))), meaning, {name: bool(bit)})


def _links(view: HeapView, chunk: Chunk, words: Words) -> Iterator[AddressFact]:
    """Yield the links that a free chunk keeps in the user's part."""
    layout = view.layout
    mem = chunk.address + layout.header
    if chunk.state in (State.TCACHE, State.FASTBIN):
        stored = words.read(mem)
        following = demangle(mem, stored, layout)
        how = f"= {following:#x}: stored xor ({mem:#x} >> 12)" if layout.safe_linking else f"= {following:#x}"
        name = "next" if chunk.state is State.TCACHE else "fd"
        meaning = how if following else f"{how}; the last of its list"
        yield AddressFact(name, f"{stored:#x}", meaning, {"stored": Address(stored), "leads_to": Address(following)})
    if chunk.state is State.TCACHE:
        key = words.read(mem + layout.pointer_size)
        meaning = "marks the block as cached, to catch a double free"
        yield AddressFact("key", f"{key:#x}", meaning, {"key": Address(key)})
    if chunk.state in (State.UNSORTED, State.SMALL, State.LARGE):
        names = ("fd", "bk", "fd_nextsize", "bk_nextsize")[: 4 if chunk.state is State.LARGE else 2]
        for name, value in zip(names, words.read_many(mem, len(names))):
            yield AddressFact(name, f"{value:#x}", _link_words(view, value), {"leads_to": Address(value)})


def _link_words(view: HeapView, link: int) -> str:
    if not link:
        return "not the first of its size"
    chunk = view.chunk_at(link)
    if chunk is not None and chunk.address == link:
        return f"{chunk.state.label} chunk of {chunk.size:#x}"
    arena = next((each for each in view.arenas if 0 <= link - each.address < view.layout.malloc_state.size), None)
    return f"the bin's header in arena {arena_name(arena.index)}" if arena else "no chunk of the heap"


def _neighbours(view: HeapView, row: int) -> Iterator[AddressFact]:
    """Yield the chunks that touch this one on either side."""
    chunk = view.table[row]
    if row and view.table[row - 1].end == chunk.address:
        yield _neighbour(view, "before", view.table[row - 1])
    if row + 1 < len(view.table) and view.table[row + 1].address == chunk.end:
        yield _neighbour(view, "after", view.table[row + 1])


def _neighbour(view: HeapView, side: str, chunk: Chunk) -> AddressFact:
    place = place_of(view, chunk)
    words = f"{chunk.state.label} chunk of {chunk.size:#x}" + (f", {place}" if place else "")
    facts = {"address": Address(chunk.address), "size": chunk.size, **state_facts(view, chunk)}
    return AddressFact(side, f"{chunk.address:#x}", words, facts)


COMMAND = Command(
    name="heap chunk",
    summary="Describe the chunk at an address: header, flags, place, links and neighbours.",
    description=("ADDRESS may be anywhere in the chunk, its header included."),
    run=run,
    arguments=(Argument("ADDRESS", "expression", "Any address in the chunk.", required=True),),
    examples=(
        ("heap chunk p", "the chunk that p points into"),
        ("heap chunk list->next", "the chunk of a list's second element"),
    ),
)
