"""What the reader of the heap found broken on its way, as Findings: which field it was, what it must hold, which
call trips over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gdbheap.analysis.abort_texts.text import Words
from gdbheap.analysis.invariants.check_arena_state import of_arena
from gdbheap.analysis.invariants.check_arenas import break_adjusted, ends_right, is_past_brk
from gdbheap.analysis.invariants.check_heap_infos import outvoted_size
from gdbheap.analysis.invariants.check_links import check_links
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.free_check import what_free_says
from gdbheap.analysis.invariants.inside_a_block import forged_header
from gdbheap.counted import counted
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.walk.heap_segment import INVALID_SIZE, last_fencepost
from gdbheap.process.fault import Fault

# The text that dies of a wrong size, and the call, by the kind of list that the chunk is in.
_WHEN_LISTED = {
    "unsorted": ("malloc(): invalid size (unsorted)", "the next malloc that sorts the unsorted bin"),
    "fastbin": ("malloc(): memory corruption (fast)", "the malloc that takes it; a large malloc or free before"),
    "small": ("corrupted size vs. prev_size", "the free of a neighbour"),
    "large": ("corrupted size vs. prev_size", "the free of a neighbour, or the malloc that takes it"),
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
    must = Must("the size of a chunk: a multiple of the alignment, within the heap")
    before = heap.table.row_at(fault.address - 1)
    if gap is not None:
        in_use_below = 0 if before is not None and heap.binned[before] else PREV_INUSE
        example = gap.size | in_use_below
        words = f"the size of a chunk, such as {example:#x}: the chunks go on {gap.size:#x} bytes on"
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
            return forged_header(heap, address, index, arena.top, arena.top_size, f"top is at {arena.top:#x} now")
    return None


def _size_words(heap: CheckedHeap, address: int, suspects: tuple[int, ...]) -> tuple[Words, str]:
    """Return the text that a chunk of an impossible size makes malloc die with, and in which calls."""
    below = heap.view.place_of(suspects[0]) if suspects else None
    place = heap.view.place_of(address)
    if place is not None and place.bin.kind != "tcache":
        text, call = _WHEN_LISTED[place.bin.kind]
        return heap.texts.choose(text, otherwise=INVALID_SIZE), call
    if place is not None:
        return "chunk of the wrong size in a tcache list", "a free of the block, once malloc has handed it out"
    says = what_free_says(heap, address)
    parts = [f'free of this block: "{says[0]}"' if says else "free of this block takes it for one of another size"]
    message = says[0] if says else INVALID_SIZE
    if below is not None and below.bin.kind == "unsorted":
        message = heap.texts.choose("malloc(): invalid next size (unsorted)", otherwise=message)
        parts.insert(0, "the next malloc that sorts the unsorted bin")
    elif suspects:
        neighbour = what_free_says(heap, suspects[0])
        if neighbour is not None:
            parts.append(f'free of the block below: "{neighbour[0]}" (unless a tcache takes it)')
    return message, "; ".join(parts)


def _wrong_arena(heap: CheckedHeap, fault: Fault) -> Finding:
    """The heap_info in front of an arena names another."""
    struct = heap.layout.heap_info
    where = fault.address + struct.offset("ar_ptr")
    arena = next(
        (each for each in heap.view.arenas if each.address & ~(heap.layout.heap_max - 1) == fault.address), None
    )
    call = "any free of a block of this heap: it goes to what ar_ptr leads to, mostly a SIGSEGV"
    must = exactly(arena.address) if arena is not None else Must("the arena behind it")
    index = None if arena is None else arena.index
    return Violation(Invariant.HEAP_ARENA, fault.message, must, call).at(
        fault.address, WrongField("ar_ptr", where, heap.words.read(where)), index
    )


def _wrong_top(heap: CheckedHeap, fault: Fault) -> Finding:
    """An arena's top field leads to no chunk, while its heap has a last one."""
    arena = next(each for each in heap.view.arenas if each.address == fault.address)
    message = heap.texts.choose("malloc(): corrupted top size", otherwise=fault.message)
    call = (
        f"the next malloc that no free chunk serves, by what is in memory where top leads to: {message!r} or a SIGSEGV"
    )
    wrong = Violation(Invariant.TOP, fault.message, exactly(arena.top), call, fault.detail)
    return of_arena(heap, arena, "top", wrong)


def _fencepost(heap: CheckedHeap, fault: Fault) -> Finding:
    """One of the two headers that close a heap which malloc has left."""
    where = fault.address + heap.layout.pointer_size
    ends = [each.end for arena in heap.view.arenas for each in arena.regions]
    arena = _arena_at(heap, fault.address)
    is_last = any(fault.address == last_fencepost(heap.layout, end) for end in ends)
    must = exactly(1) if is_last else exactly(heap.layout.header | 1, ", the first of the heap's two fenceposts")
    call = "the free that gives back the heap behind this one: an assertion of heap_trim; a free of the block below"
    return Violation(Invariant.FENCEPOST, fault.message, must, call).at(
        fault.address, WrongField("size", where, heap.words.read(where)), arena
    )


def _heap_info(heap: CheckedHeap, fault: Fault) -> Finding:
    """A heap_info from which the chain of heaps cannot be followed on."""
    struct = heap.layout.heap_info
    call = "the next free that merges into top and gives the heap back: heap_trim follows prev"
    try:
        info = struct.read(heap.process.memory, fault.address)
    except MemoryFault:
        return _plain(fault)
    arena = _arena_at(heap, fault.address + struct.size)
    if fault.invariant is not Invariant.HEAP_INFO or info["prev"] % heap.layout.heap_max:
        field, expected = "prev", "0 or the heap_info of the heap before"
    elif not 0 < info["size"] <= heap.layout.heap_max:
        field, expected = "size", f"whole pages, at most mprotect_size, {info['mprotect_size']:#x}"
    else:
        field, expected, call = "ar_ptr", "the arena whose heap it is", "any free of a block of this heap"
    where = fault.address + struct.offset(field)
    return Violation(_OF_HEAP_INFO[field], fault.message, Must(expected), call, fault.detail).at(
        fault.address, WrongField(field, where, info[field]), arena
    )


def _ring(heap: CheckedHeap, fault: Fault) -> Finding:
    """An arena's next leads to none."""
    arena = next(each for each in heap.view.arenas if each.address == fault.address)
    call = "the next new thread, when it looks for an arena; malloc_trim, mallinfo and fork go round the ring too"
    why = (
        f"{fault.detail}; {counted(len(heap.view.arenas), 'arena')} known, by the links before it and by what the "
        "threads use"
    )
    must = Must("the next arena of the ring, or main_arena")
    return of_arena(heap, arena, "next", Violation(Invariant.ARENA_RING, fault.message, must, call, why))


def _top(heap: CheckedHeap, fault: Fault) -> Iterator[Finding]:
    arena = next(each for each in heap.view.arenas if each.top == fault.address)
    pointer_size = heap.layout.pointer_size
    message: Words = heap.texts.choose("malloc(): corrupted top size", otherwise="top has a wrong size")
    call = "the next malloc that no free chunk serves"
    try:
        held = heap.words.read(arena.top + pointer_size)
    except MemoryFault:
        must = Must("the address of the last chunk of the heap")
        yield of_arena(heap, arena, "top", Violation(Invariant.TOP, fault.message, must, call, fault.detail))
        return
    end = arena.top + (held & ~FLAG_MASK)
    if ends_right(heap, arena, end) and (end - arena.top > arena.system_mem or outvoted_size(heap, arena)):
        return  # system_mem or the heap_info's size is too small: told with the arena's fields
    if end - arena.top <= arena.system_mem and is_past_brk(heap, arena, end):
        yield break_adjusted(heap, arena, end)
        return
    if end - arena.top <= arena.system_mem:
        message = "top has a wrong size"
        call = "the next malloc that top cannot serve: the assertion on old_top in sysmalloc"
    expected = f"at most system_mem, {arena.system_mem:#x}, and such that top ends where the heap does"
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
