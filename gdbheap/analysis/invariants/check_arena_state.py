"""Checks of what an arena says of itself: mutex, flags, have_fastchunks, last_remainder, and the threads that use
it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly, number
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import arena_name
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import called

# No Linux has more threads (PID_MAX_LIMIT).
_MOST_THREADS = 1 << 22


def check_arena_states(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with the fields that are neither lists nor sizes."""
    for arena in heap.view.arenas:
        yield from _check_mutex(heap, arena)
        yield from _check_flags(heap, arena)
        yield from _check_have_fastchunks(heap, arena)
        yield from _check_last_remainder(heap, arena)
        yield from _check_binmap(heap, arena)
    users = list(_check_attached_threads(heap))
    yield from users or _check_free_list(heap)


def of_arena(heap: CheckedHeap, arena: Arena, field: str, violation: Violation) -> Finding:
    """Return the Finding of a wrong member of malloc_state."""
    where = arena.address + heap.layout.malloc_state.offset(field)
    held = arena.value[field]
    return violation.at(arena.address, WrongField(field, where, held), arena.index)


def _check_mutex(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    if arena.value["mutex"] != 0 and not arena.is_locked:
        expected = clause("free_taken_or_waited_for")
        call = clause("next_malloc_free_arena_waits_ever")
        yield of_arena(
            heap,
            arena,
            "mutex",
            Violation(Invariant.ARENA_MUTEX, called("arena_mutex_overwritten"), Must(expected), call),
        )


def _check_flags(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """NONCONTIGUOUS is all there is. It is set in every non-main arena, and in main from the first memory on that
    brk did not give."""
    flags = arena.value["flags"]
    layout, parameters = heap.layout, heap.view.parameters
    expected, why = flags & NONCONTIGUOUS, clause("no_bit_but_noncontiguous_used", noncontiguous=NONCONTIGUOUS)
    call = clause("none_bits_never_looked")
    if not layout.has_fastbins or "have_fastchunks" in layout.malloc_state:
        known = NONCONTIGUOUS
    else:
        known = 7  # to glibc 2.26 bit 0 told of fast chunks, and bit 2 of a corrupt arena
        expected = flags
    if not arena.is_main and not flags & NONCONTIGUOUS:
        expected, why = flags & known | NONCONTIGUOUS, clause("noncontiguous_clear_arena_not_main_one")
        call = clause("free_block_above_top_another_heap")
    elif arena.is_main and flags & NONCONTIGUOUS and parameters is not None and layout.brk is not None:
        vma = heap.process.address_space.find(parameters["sbrk_base"])
        ends_there = parameters["sbrk_base"] + arena.system_mem == layout.brk.value == arena.top + arena.top_size
        if ends_there and vma is not None and vma.path == "[heap]":
            expected, why = flags & known & ~NONCONTIGUOUS, clause("noncontiguous_set_yet_brk_gave_all")
            call = clause("none_free_no_longer_sees_block")
    if flags != expected:
        wrong = Violation(Invariant.ARENA_FLAGS, called("arena_flags_overwritten"), exactly(expected), call, why)
        yield of_arena(heap, arena, "flags", wrong)


def _check_have_fastchunks(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """It is 1 while a fastbin holds anything, and stays so until malloc_consolidate."""
    held = arena.value.get("have_fastchunks")
    if held is None:
        return
    message = called("have_fastchunks_overwritten")
    holds = any(each.kind == "fastbin" and each.arena == arena.index and each.chunks for each in heap.view.bins)
    if held > 1:
        call = clause("none_counts_1")
        wrong = Violation(Invariant.HAVE_FASTCHUNKS, message, Must(clause("zero_or_one")), call)
        yield of_arena(heap, arena, "have_fastchunks", wrong)
    elif holds and not held:
        call = clause("none_malloc_does_not_consolidate_fast")
        why = clause("fastbins_arena_hold_chunks")
        wrong = Violation(Invariant.HAVE_FASTCHUNKS, message, number(1), call, why)
        yield of_arena(heap, arena, "have_fastchunks", wrong)


def _check_last_remainder(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """It may be stale, but it was a chunk once."""
    held = arena.value["last_remainder"]
    layout, parameters = heap.layout, heap.view.parameters
    contiguous = arena.is_main and not arena.value["flags"] & NONCONTIGUOUS and parameters is not None
    if not held:
        return
    expected: Fact | None = None
    if (held + layout.header) % layout.alignment:
        expected = clause("zero_or_a_chunk_but_misaligned")
    elif contiguous and parameters is not None and arena.system_mem <= arena.value["max_system_mem"]:
        base = parameters["sbrk_base"]
        end = base + max(arena.value["max_system_mem"], arena.top + arena.top_size - base)
        if base <= arena.top and not base <= held < end:
            expected = clause("zero_or_a_chunk_of_this_heap", base=Address(base), end=Address(end))
    if expected is not None:
        call = clause("none_malloc_only_compares_address_chunk")
        wrong = Violation(Invariant.LAST_REMAINDER, called("last_remainder_overwritten"), Must(expected), call)
        yield of_arena(heap, arena, "last_remainder", wrong)


def _check_binmap(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """The first and the last bit have no bin, and the unsorted bin's is never set (mark_bin is for small and large
    bins)."""
    words = arena.value.array("binmap")
    for index, good in ((0, words[0] & ~0b11), (len(words) - 1, words[-1] & ~(1 << 31))):
        if words[index] != good:
            where = arena.address + heap.layout.malloc_state.offset("binmap") + 4 * index
            message, call = called("binmap_bit_for_no_bin"), clause("none_malloc_clears_when_comes")
            yield Violation(Invariant.BINMAP, message, exactly(good), call).at(
                arena.address, WrongField(f"binmap[{index}]", where, words[index]), arena.index
            )


def _users(heap: CheckedHeap) -> Counter[int] | None:
    """Return how many threads use each arena, by its address; None where that is not known of every thread."""
    threads = heap.layout.threads
    if len(threads) != len(heap.process.threads) or not all(each.is_known for each in threads):
        return None
    return Counter(each.arena.value for each in threads if each.arena is not None)


def _check_attached_threads(heap: CheckedHeap) -> Iterator[Finding]:
    """No fewer than the threads that use the arena. More there may be: a fork without fork() leaves the counts as
    they were."""
    users = _users(heap)
    for arena in heap.view.arenas:
        count = arena.value["attached_threads"]
        least = 0 if users is None else users[arena.address]
        if least <= count <= _MOST_THREADS:
            continue
        why = clause("threads_have_their_thread_arena", least=least) if users is not None else None
        call = clause("end_these_threads_assertion") if count < least else clause("none_arena_never_free_new_thread")
        wrong = Violation(Invariant.ATTACHED_THREADS, called("attached_threads_overwritten"), number(least), call, why)
        yield of_arena(heap, arena, "attached_threads", wrong)


def _check_free_list(heap: CheckedHeap) -> Iterator[Finding]:
    """The arenas that no thread uses make a list by next_free. One may be on none (detach_arena() puts it on none),
    and next_free is then left over, as it is in the others: which are on it is known where free_list is."""
    if any(fault.invariant is Invariant.ARENA_RING for fault in heap.view.faults):
        return
    arenas = {each.address: each for each in heap.view.arenas}
    seen: dict[int, Arena] = {}
    before, address = None, heap.layout.statics.get("free_list", 0)
    while address in arenas and address not in seen:
        arena = seen[address] = arenas[address]
        used = arena.value["attached_threads"]
        if used and before:
            yield _off_the_list(
                heap,
                before,
                clause("leads_to_a_used_arena", arena=arena_name(arena.index), used=used),
                arena,
            )
        if used:
            break
        before, address = arena, arena.value["next_free"]
    else:
        if before and address in seen:
            yield _off_the_list(
                heap, before, clause("leads_back_to_an_arena", arena=arena_name(seen[address].index)), seen[address]
            )
    for arena in arenas.values():
        leads = arena.value["next_free"]
        if leads and leads not in arenas and not arena.value["attached_threads"]:
            yield _off_the_list(heap, arena, clause("no_arena_is_there"))


def _off_the_list(heap: CheckedHeap, arena: Arena, why: Fact, other: Arena | None = None) -> Finding:
    expected = Must(clause("zero_or_an_unused_arena"))
    call = clause("next_new_thread_takes_from_list")
    suspects = () if other is None else (other.address,)
    message = called("free_arenas_broken")
    wrong = Violation(Invariant.FREE_ARENAS, message, expected, call, why, suspects)
    return of_arena(heap, arena, "next_free", wrong)
