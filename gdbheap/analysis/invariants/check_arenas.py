"""Checks of arenas' memory: top, system_mem, sbrk_base, heap_info."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.check_arena_state import of_arena
from gdbheap.analysis.invariants.check_heap_infos import bytes_in_heaps, check_heap_infos, outvoted_size
from gdbheap.analysis.invariants.check_parameters import of_mp
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.closed_tops import bytes_of, check_closed_tops, closed_early
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import IS_MMAPPED, NON_MAIN_ARENA
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.main_arena import initial_top
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import called, dies_with

# What a chain of heaps is not followed beyond.
_OF_CHAIN = (Invariant.HEAP_CHAIN, Invariant.HEAP_INFO, Invariant.HEAP_ARENA)


def check_arenas(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with arenas and heap_infos; the ring and the chains of heaps are checked by whoever reads
    them."""
    for arena in heap.view.arenas:
        if arena.top == initial_top(heap.layout, arena.value):
            continue
        yield from _check_top(heap, arena)
        yield from check_closed_tops(heap, arena)
        yield from _check_system_mem(heap, arena)
        if not arena.is_main:
            yield from check_heap_infos(heap, arena)


def _check_top(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """Top ends where the heap does: at a page; in a contiguous main arena, at sbrk_base + system_mem; in another,
    where its heap ends."""
    if not arena.top_size:
        return
    pointer_size = heap.layout.pointer_size
    try:
        raw = heap.words.read(arena.top + pointer_size)
    except MemoryFault:
        return
    end = arena.top + (raw & ~7)
    expected, why = _heap_end(heap, arena)
    call: Fact = clause("next_malloc_top_cannot_serve_assertion")
    if raw & (IS_MMAPPED | NON_MAIN_ARENA):
        why = clause("top_never_is_mmapped_non_main_arena")
        good = exactly(raw & ~(IS_MMAPPED | NON_MAIN_ARENA))
    elif expected is not None and end != expected:
        other = _not_top(heap, arena, end)
        if other is not None:
            yield other
            return
        good = exactly(expected - arena.top | raw & 7)
    elif expected is None and (other := _not_top(heap, arena, end)) is not None:
        yield other
        return
    elif is_past_brk(heap, arena, end):
        yield break_adjusted(heap, arena, end)
        return
    elif expected is None and end % heap.process.page_size:
        good, why = Must(clause("such_top_ends_page")), clause("top_would_end", end=Address(end))
    else:
        return
    message = called("top_size_wrong")
    if raw & ~7 > arena.system_mem:
        message = heap.texts.choose("malloc(): corrupted top size", otherwise=message)
        call = clause("next_malloc_no_free_chunk_serves")
    yield Violation(Invariant.TOP_SIZE, message, good, call, why).at(
        arena.top, WrongField("size", arena.top + pointer_size, raw), arena.index
    )


def ends_right(heap: CheckedHeap, arena: Arena, end: int) -> bool:
    """Whether top ends where the arena's memory certainly does: at the end of its heap, or at the program break."""
    if arena.is_main:
        return heap.layout.brk is not None and end == heap.layout.brk.value
    return end == _heap_end(heap, arena)[0]


def is_past_brk(heap: CheckedHeap, arena: Arena, end: int) -> bool:
    """Whether a contiguous main arena's top ends behind the program break."""
    brk = heap.layout.brk
    return arena.is_main and not arena.value["flags"] & NONCONTIGUOUS and brk is not None and end > brk.value


def break_adjusted(heap: CheckedHeap, arena: Arena, end: int) -> Finding:
    """Return the Finding of a top that ends behind the program break."""
    brk = heap.layout.brk
    assert brk is not None
    call = clause("next_malloc_heap_must_grow_sigsegv")
    why = clause("top_does_not_end_somebody_else")
    message = dies_with("break adjusted to free malloc space")
    return Violation(
        Invariant.PROGRAM_BREAK, message, Must(clause("at_least_the_end", end=Address(end))), call, why
    ).at(arena.top, WrongField("brk", arena.top, brk.value), arena.index)


def _heap_end(heap: CheckedHeap, arena: Arena) -> tuple[int | None, Fact | None]:
    """Return where top must end (None: anywhere at a page), and why there."""
    if not arena.is_main:
        address = arena.top & ~(heap.layout.heap_max - 1)
        try:
            info = heap.layout.heap_info.read(heap.process.memory, address)
        except MemoryFault:
            return None, None
        size = outvoted_size(heap, arena) or info["size"]
        return address + size, clause("heap_in_use", address=Address(address), size=size)
    base = heap.view.parameters["sbrk_base"] if heap.view.parameters is not None else 0
    if arena.value["flags"] & NONCONTIGUOUS or not base:
        return None, None
    twice = sum(bytes_of(heap, each) for each in closed_early(heap, arena))
    end = base + arena.system_mem - twice
    start, most = Address(base), arena.system_mem
    if twice:
        return end, clause(
            "sbrk_base_and_system_mem_counted_twice", base=start, system_mem=most, end=Address(end), twice=twice
        )
    return end, clause("sbrk_base_system_mem_make_end", base=start, system_mem=most, end=Address(end))


def _not_top(heap: CheckedHeap, arena: Arena, end: int) -> Finding | None:
    """Return the Finding of sbrk_base or system_mem where top ends at the program break, so that one of those is
    wrong, else None."""
    mp, brk = heap.view.parameters, heap.layout.brk
    if not arena.is_main or arena.value["flags"] & NONCONTIGUOUS or mp is None or brk is None or end != brk.value:
        return None
    base = mp["sbrk_base"]
    vma = heap.process.address_space.find(arena.top)
    start = end - arena.system_mem
    begins = vma is not None and heap.process.page_of(start) == vma.start
    if vma is None or base not in vma or start == vma.start or (begins and heap.process.page_of(base) != vma.start):
        why = clause("top_ends_program_break_system_mem", end=Address(end), system_mem=arena.system_mem)
        call = clause("none_malloc_only_sets_first_sbrk")
        return of_mp(mp, "sbrk_base", exactly(start) if begins else Must(clause("where_heap_begins")), call, why)
    return _system_mem(
        heap, arena, end - base, clause("sbrk_base_top_ends_program_break", base=Address(base), end=Address(end))
    )


def _system_mem(heap: CheckedHeap, arena: Arena, good: int, why: Fact) -> Finding:
    """Return the Finding of a system_mem that must be `good`."""
    message = called("system_mem_wrong")
    call = clause("none_once_checks_malloc_free_measure")
    if arena.system_mem < arena.top_size:
        message = heap.texts.choose("malloc(): corrupted top size", otherwise=message)
        call = clause("next_malloc_no_free_chunk_serves")
    wrong = Violation(Invariant.SYSTEM_MEM, message, exactly(good), call, why)
    return of_arena(heap, arena, "system_mem", wrong)


def _check_system_mem(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """system_mem is at most max_system_mem, and in a non-main arena what its heaps have."""
    most = arena.value["max_system_mem"]
    have = None if arena.is_main or _chain_is_broken(heap) else bytes_in_heaps(heap, arena)
    if outvoted_size(heap, arena):
        have = None
    if have is not None and have != arena.system_mem:
        heaps = (
            clause("heap_has_that_much")
            if len(arena.regions) == 1
            else clause("heaps_have_that_much", count=len(arena.regions))
        )
        yield _system_mem(heap, arena, have, heaps)
    elif arena.system_mem > most:
        expected = Must(clause("at_least_system_mem", system_mem=arena.system_mem))
        call = clause("none_malloc_info_malloc_stats")
        wrong = Violation(Invariant.MAX_SYSTEM_MEM, called("max_system_mem_too_small"), expected, call)
        yield of_arena(heap, arena, "max_system_mem", wrong)


def _chain_is_broken(heap: CheckedHeap) -> bool:
    return any(fault.invariant in _OF_CHAIN for fault in heap.view.faults)
