"""Checks of the links of free lists that do not hold together, and of chunks that are in two places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.invariants.check_tcache import tcache_address
from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.followed import head_taken_from
from gdbheap.analysis.invariants.inside_a_block import FreeInside, inside_a_block
from gdbheap.analysis.invariants.listed_wrongly import Listed, left_by_a_list, listed_wrongly
from gdbheap.analysis.invariants.lost_chunks import lost_from_list
from gdbheap.counted import counted
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import dataclass, np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Joined
from gdbheap.process.fault import Message, called, dies_with

_LINKS = {"tcache": Invariant.TCACHE_LINK, "fastbin": Invariant.FASTBIN_LINK}


def check_links(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield the bad links of every list that the reader found broken, and the chunks that are listed twice."""
    for each in heap.view.bins:
        stray = heap.view.sizes_of(each.chunks) == 0
        if each.fault is None and not stray.any():
            continue
        if each.kind in ("tcache", "fastbin"):
            yield from _single(heap, each)
        else:
            yield from _double(heap, each)
    yield from _listed_twice(heap)


def head_slot(heap: CheckedHeap, each: Bin) -> int:
    """Return the address of the word from which a tcache or fastbin list hangs."""
    if each.arena is None:
        struct = heap.layout.tcache_struct
        entries = struct.offset("entries") if struct is not None else 0
        return tcache_address(heap, each.thread) + entries + each.index * heap.layout.pointer_size
    arena = heap.view.arenas[each.arena]
    return arena.address + heap.layout.malloc_state.offset("fastbinsY") + each.index * heap.layout.pointer_size


def _single(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """The link behind the last good chunk of a tcache or fastbin list."""
    layout = heap.layout
    chunks = each.chunks[: heap.believed(each)]
    last = chunks[-1] if chunks else None
    field = head_slot(heap, each) if last is None else last + layout.header
    try:
        stored = heap.words.read(field)
    except MemoryFault:
        return
    target = stored if last is None else demangle(field, stored, layout)
    taken = None if last is not None else _head_from(heap, each, target)
    if taken is not None:
        yield taken
        return
    chunk = target - layout.header if each.kind == "tcache" else target
    leads_nowhere = called("link_leads_to_no_chunk", list=each.kind)
    what = leads_nowhere
    if each.kind == "tcache":
        text = "malloc(): unaligned tcache chunk detected"
        name = "next" if last is not None else f"entries[{each.index}]"
    else:
        text = f"malloc(): unaligned fastbin chunk detected{' 2' if last is None else ''}"
        what = dies_with("malloc(): memory corruption (fast)")
        name = "fd" if last is not None else f"fastbinsY[{each.index}]"
    message: Message
    take = f"malloc({each.min_size - layout.pointer_size:#x})"
    after = len(chunks) + 1
    if (chunk + layout.header) % layout.alignment:
        message = heap.texts.choose(text, otherwise=what)
        call = clause("comes_call_number_from_now", take=take, after=after)
        leads = clause("leads_not_aligned", target=Address(target))
    else:
        message = called("list_loops", list=each.kind) if chunk in chunks else leads_nowhere
        call = clause("none_once_call_number_from_now", after=after, take=take)
        leads = clause("leads_to_another_size", target=Address(target))
        if chunk in chunks:
            leads = clause("leads_into_the_list", target=Address(target))
        elif heap.table.row_of(chunk) is None:
            leads = clause("leads_to_no_chunk", target=Address(target))
    address = (
        last
        if last is not None
        else heap.view.arenas[each.arena].address
        if each.arena is not None
        else tcache_address(heap, each.thread)
    )
    why = clause("link_behind", leads=leads, count=counted(len(chunks), "chunk"), list=list_name(each))
    inside = heap.view.chunk_at(chunk)
    suspects = () if inside is None or inside.address == chunk else (inside.address,)
    expected = clause(
        "mangled_link_or_end" if layout.safe_linking and last is not None else "link_or_end",
        size=f" of {each.min_size:#x} bytes" if each.min_size == each.max_size else "",
    )
    found = Violation(_LINKS[each.kind], message, Must(expected), call, why, suspects).at(
        address, WrongField(name, field, stored), each.arena, each.thread
    )
    listed = listed_wrongly(heap, each, chunk, last is None) if chunk % layout.pointer_size == 0 else None
    if listed is None and last is None and left_by_a_list(heap, field, stored):
        listed = Listed("left", field, heap.view.chunk_at(field))
    yield replace(found, listed=listed, suspects=suspects if listed is None else ())


def _head_from(heap: CheckedHeap, each: Bin, head: int) -> Finding | None:
    """Return the Finding of the link that malloc has made the head of a list, where that leads out of all chunks."""
    chunk = head - heap.layout.header if each.kind == "tcache" else head
    if heap.table.row_of(chunk) is not None or heap.gap_at(chunk) is not None:
        return None
    followed = head_taken_from(heap, each, head)
    if followed is None:
        return None
    first = demangle(followed.where, followed.value or 0, heap.layout)
    expected = clause("link_free_chunk_long_list_held")
    why = clause("block_handed_out_and_link_followed", first=Address(first), list=list_name(each), head=Address(head))
    call = clause("malloc_hands_out_what_link_leads", value=each.min_size - heap.layout.pointer_size)
    field = "next" if each.kind == "tcache" else "fd"
    message = called("link_leads_to_no_chunk", list=each.kind)
    if (chunk + heap.layout.header) % heap.layout.alignment:
        message = heap.texts.choose(f"malloc(): unaligned {each.kind} chunk detected", otherwise=message)
    found = Violation(_LINKS[each.kind], message, Must(expected), call, why).at(
        followed.owner, WrongField(field, followed.where, followed.value), each.arena, each.thread
    )
    return replace(found, followed=followed)


def _double(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """Every neighbour in a list linked both ways must know the other. In list order, from the bk end: header,
    chunks, header."""
    layout = heap.layout
    arena = heap.view.arenas[each.arena or 0]
    header = (
        arena.address + layout.malloc_state.offset("bins") - layout.header + 2 * layout.pointer_size * (each.index - 1)
    )
    taken = _taken_with_wrong_bk(heap, header)
    if taken is not None:
        where = header + layout.header + layout.pointer_size
        held = heap.words.read(where)
        wrong = _bad_link(heap, each, _Link(header, "bk", where, held, header), header)
        why = clause("malloc_itself_put_took_chunk_from", taken=Address(taken))
        yield replace(wrong, why=why if wrong.why is None else Joined((wrong.why, why)))
        return
    # A walk by bk that leaves the heap is not to be believed: the chunk that led out of it has the wrong link.
    believed = [chunk for chunk in each.chunks if heap.view.chunk_at(chunk) is not None]
    lost = lost_from_list(heap, each.chunks)
    if lost is not None:
        for owner, field, offset in ((lost.before, "fd", 0), (lost.behind, "bk", layout.pointer_size)):
            where = owner + layout.header + offset
            held = heap.words.read(where)
            if held != lost.chunk:
                yield _bad_link(heap, each, _Link(owner, field, where, held, lost.chunk), header)
        return
    nodes = [header, *believed, header]
    found = 0
    for node, following in zip(nodes, nodes[1:]):
        for owner, field, offset, target in (
            (node, "bk", layout.header + layout.pointer_size, following),
            (following, "fd", layout.header, node),
        ):
            where = owner + offset
            try:
                held = heap.words.read(where)
            except MemoryFault:
                continue
            if held != target and found < MOST_FINDINGS:
                found += 1
                yield _bad_link(heap, each, _Link(owner, field, where, held, target), header)
    stray = [chunk for chunk, size in zip(each.chunks, heap.view.sizes_of(each.chunks).tolist()) if not size]
    for chunk in [chunk for chunk in stray if not found or heap.view.chunk_at(chunk) is not None][:4]:
        yield _no_chunk(heap, each, chunk)


def _taken_with_wrong_bk(heap: CheckedHeap, header: int) -> int | None:
    """Return the chunk that a bin's fd still leads to though it is in use by now, where the bin's bk leads out of
    the heap: malloc takes from the bk end, and leaves the bin's fd to the chunk that it believes to be the next."""
    try:
        fd, bk = heap.words.read_many(header + heap.layout.header, 2)
    except MemoryFault:
        return None
    row = heap.table.row_of(fd)
    taken = row is not None and heap.table.state[row] in (State.IN_USE, State.TCACHE)
    return fd if taken and heap.view.chunk_at(bk) is None and bk != header else None


@dataclass(frozen=True)
class _Link:
    """`field` ("fd" or "bk") of the chunk, or the bin's header, `owner`: at `where` it holds `held`, and must hold
    `target`."""

    owner: int
    field: str
    where: int
    held: int
    target: int


def _bad_link(heap: CheckedHeap, each: Bin, link: _Link, header: int) -> Finding:
    texts, field = heap.texts, link.field
    message = dies_with("corrupted double-linked list")
    call = clause("malloc_free_takes_chunk_out_list")
    if each.kind == "unsorted":
        message = texts.choose("malloc(): unsorted double linked list corrupted", otherwise=message)
        call = (
            clause("next_malloc_sorts_unsorted_bin_before")
            if field == "bk"
            else clause("next_malloc_sorts_unsorted_bin")
        )
    elif each.kind == "small" and field == "fd":
        message = dies_with("malloc(): smallbin double linked list corrupted")
        call = clause("malloc_size_comes_free_neighbour")
    is_header = link.owner == header
    name = f"bins[{2 * each.index - (2 if field == 'fd' else 1)}]" if is_header else field
    address = heap.view.arenas[each.arena or 0].address if is_header else link.owner
    good = exactly(link.target, clause("bin_itself") if link.target == header else None)
    why = clause("bin_s_link" if is_header else "chunk_s_link", field=field, list=list_name(each))
    return Violation(Invariant.DOUBLE_LINK, message, good, call, why).at(
        address, WrongField(name, link.where, link.held), each.arena
    )


def _no_chunk(heap: CheckedHeap, each: Bin, chunk: int) -> Finding:
    """A list holds an address in the middle of a chunk: that chunk's size is wrong, or the list's links are."""
    around = heap.view.chunk_at(chunk)
    held: int | None
    try:
        held = heap.words.read(chunk + heap.layout.pointer_size)
    except MemoryFault:
        held = None
    if around is None:
        address, where, field, expected = (
            chunk,
            chunk + heap.layout.pointer_size,
            "size",
            clause("of_a_chunk_in_the_heap"),
        )
        why = clause("list_leads_out_of_heaps", list=list_name(each), chunk=Address(chunk))
        return Violation(
            Invariant.LIST_IN_HEAP, called("free_list_leaves_heap"), Must(expected), clause("malloc_that_takes_it"), why
        ).at(address, WrongField(field, where, held), each.arena)
    what = clause("list_holds_chunk", list=list_name(each), chunk=Address(chunk))
    return inside_a_block(heap, around, FreeInside(chunk, held or 0, what))


def _listed_twice(heap: CheckedHeap) -> Iterator[Finding]:
    lists = [each for each in heap.view.bins if each.chunks]
    if not lists:
        return
    chunks = np.concatenate([np.array(each.chunks, np.uint64) for each in lists])
    owner = np.repeat(np.arange(len(lists)), [len(each.chunks) for each in lists])
    values, counts = np.unique(chunks, return_counts=True)
    for chunk in values[counts > 1][:MOST_FINDINGS].tolist():
        places = [lists[index] for index in owner[chunks == np.uint64(chunk)].tolist()]
        where = chunk + heap.layout.header
        names = " and ".join(list_name(each) for each in places[:3])
        yield Violation(
            Invariant.LISTED_ONCE,
            called("chunk_in_two_free_lists"),
            Must(clause("link_one_list_only")),
            clause("none_once_malloc_hands_block_out"),
            clause("hold_freed_twice_link_overwritten", names=names),
        ).at(chunk, WrongField("fd", where, None), places[0].arena, places[0].thread)
