"""What the reader of the heap found broken on its way, as Findings: which field it was, what it must hold, which
call trips over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gdbheap.analysis.invariants.check_arena_state import of_arena
from gdbheap.analysis.invariants.check_arenas import break_adjusted, ends_right, is_past_brk
from gdbheap.analysis.invariants.check_heap_infos import outvoted_size
from gdbheap.analysis.invariants.check_links import check_links
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.free_check import what_free_says
from gdbheap.analysis.invariants.inside_a_block import FreeInside, forged_header
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.walk.heap_segment import INVALID_SIZE, last_fencepost
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact, Joined
from gdbheap.process.fault import Fault, Message, called

# The text that dies of a wrong size, and the call, by the kind of list that the chunk is in.
_WHEN_LISTED: dict[str, tuple[str, Fact]] = {
    "unsorted": ("malloc(): invalid size (unsorted)", clause("next_malloc_sorts_unsorted_bin")),
    "fastbin": ("malloc(): memory corruption (fast)", clause("malloc_that_takes_it_or_large")),
    "small": ("corrupted size vs. prev_size", clause("free_of_a_neighbour")),
    "large": ("corrupted size vs. prev_size", clause("free_of_a_neighbour_or_malloc")),
}

# What a wrong member of heap_info breaks.
_OF_HEAP_INFO = {
    "prev": Invariant.HEAP_CHAIN,
    "size": Invariant.HEAP_SIZE,
    "ar_ptr": Invariant.HEAP_ARENA,
}


def told_by_the_reader(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield a Finding for each of the view's faults; those of free lists are looked at again, link by link."""
    of_lists = {id(each.fault) for each in heap.view.bins if each.fault is not None}
    for fault in heap.view.faults:
        if id(fault) in of_lists or fault.invariant in (Invariant.LIST_IN_HEAP, Invariant.LISTED_ONCE):
            continue
        if isinstance(fault.invariant, Invariant) and fault.invariant in _BY_INVARIANT:
            yield _BY_INVARIANT[fault.invariant](heap, fault)
        elif any(fault.address == arena.top for arena in heap.view.arenas):
            yield from _top(heap, fault)
        else:
            yield _plain(fault)
    yield from check_links(heap)


def _invalid_size(heap: CheckedHeap, fault: Fault) -> Finding:
    """A size field from which no walk can go on."""
    pointer_size = heap.layout.pointer_size
    where = fault.address + pointer_size
    arena = _arena_at(heap, fault.address)
    try:
        held = heap.words.read(where)
    except MemoryFault:
        held = 0
    row = heap.table.row_of(fault.address)
    gap = heap.table[row] if row is not None else None
    forged = _top_inside(heap, fault.address, held, arena)
    if forged is not None:
        return forged
    must = Must(clause("size_chunk_multiple_alignment_within"))
    before = heap.table.row_at(fault.address - 1)
    if gap is not None:
        in_use_below = 0 if before is not None and heap.binned[before] else PREV_INUSE
        example = gap.size | in_use_below
        words = clause("size_chunk_such_chunks_go_bytes", example=example, size=gap.size)
        must = Must(words, example=example)
    suspects = () if before is None else (int(heap.table.address[before]),)
    if gap is not None and held & ~FLAG_MASK > gap.size:
        suspects = ()  # it led over headers that are whole: its own size is the wrong one
    message, call = _size_words(heap, fault.address, suspects)
    return Violation(Invariant.CHUNK_SIZE, message, must, call, fault.why, suspects).at(
        fault.address, WrongField("size", where, held), arena
    )


def _top_inside(heap: CheckedHeap, address: int, size: int, index: int | None) -> Finding | None:
    """Return the Finding of the forged header that merged top with what lies inside the block at `address`; None where
    that is not so."""
    for arena in heap.view.arenas:
        if arena.index == index and address < arena.top < address + (size & ~FLAG_MASK):
            free = FreeInside(arena.top, arena.top_size, clause("top_is_there", top=Address(arena.top)))
            return forged_header(heap, address, index, free)
    return None


def _size_words(heap: CheckedHeap, address: int, suspects: tuple[int, ...]) -> tuple[Message, Fact]:
    """Return the text that a chunk of an impossible size makes malloc die with, and in which calls."""
    below = heap.view.place_of(suspects[0]) if suspects else None
    place = heap.view.place_of(address)
    if place is not None and place.bin.kind != "tcache":
        text, call = _WHEN_LISTED[place.bin.kind]
        return heap.texts.choose(text, otherwise=INVALID_SIZE), call
    if place is not None:
        return called("wrong_size_in_tcache"), clause("free_block_once_malloc_handed_out")
    says = what_free_says(heap, address)
    parts: list[Fact] = [
        clause("free_of_block_aborts", text=says[0]) if says else clause("free_block_takes_one_another_size")
    ]
    message = says[0] if says else INVALID_SIZE
    if below is not None and below.bin.kind == "unsorted":
        message = heap.texts.choose("malloc(): invalid next size (unsorted)", otherwise=message)
        parts.insert(0, clause("next_malloc_sorts_unsorted_bin"))
    elif suspects:
        neighbour = what_free_says(heap, suspects[0])
        if neighbour is not None:
            parts.append(clause("free_of_block_below_aborts", text=neighbour[0]))
    return message, Joined(tuple(parts))


def _wrong_arena(heap: CheckedHeap, fault: Fault) -> Finding:
    """The heap_info in front of an arena names another."""
    struct = heap.layout.heap_info
    where = fault.address + struct.offset("ar_ptr")
    arena = next(
        (each for each in heap.view.arenas if each.address & ~(heap.layout.heap_max - 1) == fault.address), None
    )
    call = clause("any_free_block_heap_goes_what")
    must = exactly(arena.address) if arena is not None else Must(clause("arena_behind"))
    index = None if arena is None else arena.index
    return Violation(Invariant.HEAP_ARENA, fault.message, must, call).at(
        fault.address, WrongField("ar_ptr", where, heap.words.read(where)), index
    )


def _wrong_top(heap: CheckedHeap, fault: Fault) -> Finding:
    """An arena's top field leads to no chunk, while its heap has a last one."""
    arena = next(each for each in heap.view.arenas if each.address == fault.address)
    message = heap.texts.choose("malloc(): corrupted top size", otherwise=fault.message)
    call = clause("next_malloc_that_follows_top", text=message)
    wrong = Violation(Invariant.TOP, fault.message, exactly(arena.top), call, fault.detail)
    return of_arena(heap, arena, "top", wrong)


def _fencepost(heap: CheckedHeap, fault: Fault) -> Finding:
    """One of the two headers that close a heap which malloc has left."""
    where = fault.address + heap.layout.pointer_size
    ends = [each.end for arena in heap.view.arenas for each in arena.regions]
    arena = _arena_at(heap, fault.address)
    is_last = any(fault.address == last_fencepost(heap.layout, end) for end in ends)
    must = exactly(1) if is_last else exactly(heap.layout.header | 1, clause("first_heap_s_two_fenceposts"))
    call = clause("free_gives_back_heap_behind_one")
    return Violation(Invariant.FENCEPOST, fault.message, must, call).at(
        fault.address, WrongField("size", where, heap.words.read(where)), arena
    )


def _heap_info(heap: CheckedHeap, fault: Fault) -> Finding:
    """A heap_info from which the chain of heaps cannot be followed on."""
    struct = heap.layout.heap_info
    call = clause("next_free_merges_into_top_gives")
    try:
        info = struct.read(heap.process.memory, fault.address)
    except MemoryFault:
        return _plain(fault)
    arena = _arena_at(heap, fault.address + struct.size)
    if fault.invariant is not Invariant.HEAP_INFO or info["prev"] % heap.layout.heap_max:
        field, expected = "prev", clause("zero_or_the_heap_before")
    elif not 0 < info["size"] <= heap.layout.heap_max:
        field, expected = "size", clause("whole_pages_up_to_mprotect_size", mprotect_size=info["mprotect_size"])
    else:
        field, expected, call = "ar_ptr", clause("arena_whose_heap"), clause("any_free_block_heap")
    where = fault.address + struct.offset(field)
    return Violation(_OF_HEAP_INFO[field], fault.message, Must(expected), call, fault.detail).at(
        fault.address, WrongField(field, where, info[field]), arena
    )


def _ring(heap: CheckedHeap, fault: Fault) -> Finding:
    """An arena's next leads to none."""
    arena = next(each for each in heap.view.arenas if each.address == fault.address)
    call = clause("next_new_thread_when_looks_arena")
    why = clause("known_links_before_what_threads_use", detail=fault.detail, count=len(heap.view.arenas))
    must = Must(clause("next_arena_ring_main_arena"))
    return of_arena(heap, arena, "next", Violation(Invariant.ARENA_RING, fault.message, must, call, why))


def _top(heap: CheckedHeap, fault: Fault) -> Iterator[Finding]:
    arena = next(each for each in heap.view.arenas if each.top == fault.address)
    pointer_size = heap.layout.pointer_size
    message = heap.texts.choose("malloc(): corrupted top size", otherwise=called("top_size_wrong"))
    call = clause("next_malloc_no_free_chunk_serves")
    try:
        held = heap.words.read(arena.top + pointer_size)
    except MemoryFault:
        must = Must(clause("address_last_chunk_heap"))
        yield of_arena(heap, arena, "top", Violation(Invariant.TOP, fault.message, must, call, fault.detail))
        return
    end = arena.top + (held & ~FLAG_MASK)
    if ends_right(heap, arena, end) and (end - arena.top > arena.system_mem or outvoted_size(heap, arena)):
        return  # system_mem or the heap_info's size is too small: told with the arena's fields
    if end - arena.top <= arena.system_mem and is_past_brk(heap, arena, end):
        yield break_adjusted(heap, arena, end)
        return
    if end - arena.top <= arena.system_mem:
        message = called("top_size_wrong")
        call = clause("next_malloc_top_cannot_serve_assertion")
    expected = clause("most_system_mem_such_top_ends_where", system_mem=arena.system_mem)
    yield Violation(Invariant.TOP_SIZE, message, Must(expected), call, fault.detail).at(
        arena.top, WrongField("size", arena.top + pointer_size, held), arena.index
    )


def _plain(fault: Fault) -> Finding:
    assert isinstance(fault.invariant, Invariant), fault.message
    wrong = Violation(fault.invariant, fault.message, Must(), why=fault.detail)
    return wrong.at(fault.address, WrongField("", fault.address, None))


def _arena_at(heap: CheckedHeap, address: int) -> int | None:
    for arena in heap.view.arenas:
        if any(region.start <= address < region.end for region in arena.regions):
            return arena.index
    return None


_BY_INVARIANT: dict[Invariant, Callable[[CheckedHeap, Fault], Finding]] = {
    Invariant.CHUNK_SIZE: _invalid_size,
    Invariant.HEAP_ARENA: _wrong_arena,
    Invariant.TOP: _wrong_top,
    Invariant.FENCEPOST: _fencepost,
    Invariant.HEAP_INFO: _heap_info,
    Invariant.HEAP_CHAIN: _heap_info,
    Invariant.ARENA_RING: _ring,
}
