"""The links of unsorted, small and large bins, which lead both ways: every neighbour must know the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.inside_a_block import FreeInside, inside_a_block
from gdbheap.analysis.invariants.lost_chunks import lost_from_list
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Joined
from gdbheap.process.fault import called, dies_with


def double_links(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
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
