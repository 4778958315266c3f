"""Checks of what an arena says of itself: mutex, flags, have_fastchunks, last_remainder, and the threads that use
it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gdbheap.analysis.call_stacks.in_progress_call import LOCKED
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly, number
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import arena_name

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
    if arena.value["mutex"] not in (0, *LOCKED):
        expected = "0 (free), 1 (taken) or 2 (taken, and others wait)"
        call = "the next malloc or free in this arena waits for ever, once the process has two threads"
        yield of_arena(
            heap, arena, "mutex", Violation(Invariant.ARENA_MUTEX, "arena mutex is overwritten", Must(expected), call)
        )


def _check_flags(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """NONCONTIGUOUS is all there is. It is set in every non-main arena, and in main from the first memory on that
    brk did not give."""
    flags = arena.value["flags"]
    layout, parameters = heap.layout, heap.view.parameters
    expected, why = flags & NONCONTIGUOUS, f"no bit but NONCONTIGUOUS, {NONCONTIGUOUS}, is used"
    call = "none: the bits are never looked at"
    if not layout.has_fastbins or "have_fastchunks" in layout.malloc_state:
        known = NONCONTIGUOUS
    else:
        known = 7  # to glibc 2.26 bit 0 told of fast chunks, and bit 2 of a corrupt arena
        expected = flags
    if not arena.is_main and not flags & NONCONTIGUOUS:
        expected, why = flags & known | NONCONTIGUOUS, "NONCONTIGUOUS is clear, and the arena is not the main one"
        call = 'a free of a block above top, in another heap of the arena: "double free or corruption (out)"'
    elif arena.is_main and flags & NONCONTIGUOUS and parameters is not None and layout.brk is not None:
        vma = heap.process.address_space.find(parameters["sbrk_base"])
        ends_there = parameters["sbrk_base"] + arena.system_mem == layout.brk.value == arena.top + arena.top_size
        if ends_there and vma is not None and vma.path == "[heap]":
            expected, why = flags & known & ~NONCONTIGUOUS, "NONCONTIGUOUS is set, yet brk gave all that the arena has"
            call = "none: free no longer sees that a block ends above the heap"
    if flags != expected:
        wrong = Violation(Invariant.ARENA_FLAGS, "arena flags are overwritten", exactly(expected), call, why)
        yield of_arena(heap, arena, "flags", wrong)


def _check_have_fastchunks(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """It is 1 while a fastbin holds anything, and stays so until malloc_consolidate."""
    held = arena.value.get("have_fastchunks")
    if held is None:
        return
    message = "have_fastchunks is overwritten"
    holds = any(each.kind == "fastbin" and each.arena == arena.index and each.chunks for each in heap.view.bins)
    if held > 1:
        call = "none: it counts as 1"
        wrong = Violation(Invariant.HAVE_FASTCHUNKS, message, Must("0 or 1"), call)
        yield of_arena(heap, arena, "have_fastchunks", wrong)
    elif holds and not held:
        call = "none: malloc does not consolidate the fast chunks when it needs large ones, and grows the heap instead"
        why = "fastbins of the arena hold chunks"
        wrong = Violation(Invariant.HAVE_FASTCHUNKS, message, number(1), call, why)
        yield of_arena(heap, arena, "have_fastchunks", wrong)


def _check_last_remainder(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """It may be stale, but it was a chunk once."""
    held = arena.value["last_remainder"]
    layout, parameters = heap.layout, heap.view.parameters
    contiguous = arena.is_main and not arena.value["flags"] & NONCONTIGUOUS and parameters is not None
    if not held:
        return
    expected = ""
    if (held + layout.header) % layout.alignment:
        expected = "0 or the address of what was a chunk: it is misaligned"
    elif contiguous and parameters is not None and arena.system_mem <= arena.value["max_system_mem"]:
        base = parameters["sbrk_base"]
        end = base + max(arena.value["max_system_mem"], arena.top + arena.top_size - base)
        if base <= arena.top and not base <= held < end:
            expected = f"0 or what was a chunk of this heap, from {base:#x} to {end:#x}"
    if expected:
        call = "none: malloc only compares it with the address of a chunk"
        wrong = Violation(Invariant.LAST_REMAINDER, "last_remainder is overwritten", Must(expected), call)
        yield of_arena(heap, arena, "last_remainder", wrong)


def _check_binmap(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """The first and the last bit have no bin, and the unsorted bin's is never set (mark_bin is for small and large
    bins)."""
    words = arena.value.array("binmap")
    for index, good in ((0, words[0] & ~0b11), (len(words) - 1, words[-1] & ~(1 << 31))):
        if words[index] != good:
            where = arena.address + heap.layout.malloc_state.offset("binmap") + 4 * index
            message, call = "binmap has a bit for no bin", "none: malloc clears it when it comes to it"
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
        why = f"{least} threads have it as their thread_arena" if users is not None else ""
        call = (
            'the end of these threads: the assertion "a->attached_threads > 0" of the last'
            if count < least
            else "none: the arena is never free for a new thread"
        )
        wrong = Violation(Invariant.ATTACHED_THREADS, "attached_threads is overwritten", number(least), call, why)
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
                heap, before, f"it leads to arena {arena_name(arena.index)}, whose attached_threads is {used}", arena
            )
        if used:
            break
        before, address = arena, arena.value["next_free"]
    else:
        if before and address in seen:
            yield _off_the_list(
                heap, before, f"it leads back to arena {arena_name(seen[address].index)}", seen[address]
            )
    for arena in arenas.values():
        leads = arena.value["next_free"]
        if leads and leads not in arenas and not arena.value["attached_threads"]:
            yield _off_the_list(heap, arena, "no arena is there")


def _off_the_list(heap: CheckedHeap, arena: Arena, why: str, other: Arena | None = None) -> Finding:
    expected = Must("0 or another arena that no thread uses")
    call = 'the next new thread that takes it from the list: the assertion "result->attached_threads == 0" or a SIGSEGV'
    suspects = () if other is None else (other.address,)
    message = "list of free arenas is broken"
    wrong = Violation(Invariant.FREE_ARENAS, message, expected, call, why, suspects)
    return of_arena(heap, arena, "next_free", wrong)
