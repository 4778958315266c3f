"""Checks of chunk headers against their neighbours: flags, PREV_INUSE, prev_size, free chunks that touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.followed import Followed, ends_a_listed_chunk, has_links_of_a_list
from gdbheap.glibc.chunk_table import IS_MMAPPED, NON_MAIN_ARENA, PREV_INUSE, State
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.walk.heap_segment import BAD_FENCEPOST
from gdbheap.lazy import np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fault import called, dies_with

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HANDED_OUT = (State.IN_USE, State.TCACHE, State.FASTBIN, State.MALLOC_OWNED)
_KEPT = (State.UNSORTED, State.SMALL, State.LARGE, State.TOP)


def check_chunks(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with the headers of chunks in arenas, most kinds at most 16 times."""
    if not len(heap.table):
        return
    yield from _check_flags(heap)
    yield from _check_first_chunks(heap)
    yield from _check_prev_inuse(heap)
    yield from _check_prev_size(heap)
    yield from _check_touching(heap)


def _check_flags(heap: CheckedHeap) -> Iterator[Finding]:
    """IS_MMAPPED is clear in every heap; NON_MAIN_ARENA is set in what a non-main arena hands out, and nowhere else."""
    flags, arena = heap.table.flags, heap.table.arena
    mmapped = heap.in_arena & (flags & IS_MMAPPED != 0) & ~heap.has_state(State.FENCEPOST) & ~heap.gap
    message = heap.texts.choose("munmap_chunk(): invalid pointer", otherwise=None)
    for row in _first(mmapped):
        call = clause("free_mem_takes_mapping_own")
        good = exactly(heap.size_word(row) & ~IS_MMAPPED)
        yield _flag(heap, row, "IS_MMAPPED", Violation(Invariant.IS_MMAPPED, message, good, call))
    for row in _first(heap.has_state(State.FENCEPOST) & (flags & (IS_MMAPPED | NON_MAIN_ARENA) != 0)):
        good = exactly(heap.size_word(row) & ~(IS_MMAPPED | NON_MAIN_ARENA))
        wrong_one = Violation(Invariant.FENCEPOST, BAD_FENCEPOST, good, clause("no_call_at_once"))
        yield _flag(heap, row, "IS_MMAPPED or NON_MAIN_ARENA", wrong_one)
    handed_out = heap.has_state(*_HANDED_OUT)
    expected = handed_out & (arena != 0)
    wrong = heap.in_arena & (handed_out | heap.has_state(*_KEPT)) & ((flags & NON_MAIN_ARENA != 0) != expected)
    for row in _first(wrong & ~mmapped):
        call = (
            clause("free_mem_takes_chunk_one_another")
            if handed_out[row]
            else clause("malloc_hands_out_another_arena_s")
        )
        good = exactly(heap.size_word(row) ^ NON_MAIN_ARENA)
        wrong_one = Violation(Invariant.NON_MAIN_ARENA, called("chunk_names_wrong_arena"), good, call)
        yield _flag(heap, row, "NON_MAIN_ARENA", wrong_one)


def _flag(heap: CheckedHeap, row: int, flag: str, violation: Violation) -> Finding:
    address, held = int(heap.table.address[row]), heap.size_word(row)
    state = "set" if held & ~(violation.must.value or 0) else "clear"
    field = WrongField("size", address + heap.layout.pointer_size, held)
    return replace(violation, why=clause("flag_is", flag=flag, state=state)).at(
        address, field, int(heap.table.arena[row])
    )


def _check_first_chunks(heap: CheckedHeap) -> Iterator[Finding]:
    """The first chunk of a heap has PREV_INUSE: there is nothing before it to merge with."""
    for arena in heap.view.arenas:
        for region in arena.regions:
            row = heap.table.row_of(region.start)
            if row is None or heap.gap[row] or heap.table.flags[row] & PREV_INUSE:
                continue
            held = heap.size_word(row)
            yield Violation(
                Invariant.FIRST_CHUNK,
                called("first_chunk_without_prev_inuse"),
                exactly(held | PREV_INUSE),
                clause("free_mem_merges_what_no_chunk"),
            ).at(region.start, WrongField("size", region.start + heap.layout.pointer_size, held), arena.index)


def _check_prev_inuse(heap: CheckedHeap) -> Iterator[Finding]:
    """PREV_INUSE of the chunk behind is clear if and only if the chunk is in a bin."""
    table = heap.table
    behind_set = np.zeros(len(table), bool)
    behind_set[:-1] = (table.flags[1:] & PREV_INUSE) != 0
    solid = heap.joined & ~heap.gap
    solid[:-1] &= ~heap.gap[1:]
    is_top_behind = np.zeros(len(table), bool)
    is_top_behind[:-1] = table.state[1:] == State.TOP
    for row in _first(solid & heap.binned & behind_set & ~is_top_behind):
        yield _set_over_free(heap, row)
    not_binned = heap.has_state(State.UNKNOWN, State.TCACHE, State.FASTBIN, State.MALLOC_OWNED)
    for row in _first(solid & ~behind_set & not_binned & ~is_top_behind):
        found = _clear_over_used(heap, row)
        if found is not None:
            yield found
    for row in _first(solid & ~behind_set & is_top_behind & ~heap.binned):
        yield _top_without_prev_inuse(heap, row + 1)


def _set_over_free(heap: CheckedHeap, row: int) -> Finding:
    unsorted = heap.table.state[row] == State.UNSORTED
    message = called("prev_inuse_after_free_chunk")
    call = clause("free_mem_chunk_behind_does_not")
    if unsorted:
        message = heap.texts.choose("malloc(): invalid next->prev_inuse (unsorted)", otherwise=message)
        call = clause("next_malloc_sorts_unsorted_bin")
    good = exactly(heap.size_word(row + 1) & ~PREV_INUSE)
    return _behind(heap, row, Violation(Invariant.PREV_INUSE, message, good, call, clause("free_list_holds")))


def _clear_over_used(heap: CheckedHeap, row: int) -> Finding | None:
    """No list holds the chunk, but the header behind calls it free: a cleared bit, unless its list is known to be
    broken."""
    table = heap.table
    size, arena = int(table.size[row]), int(table.arena[row])
    prev_size = heap.prev_size_behind(row)
    broken = any(
        each.arena == arena and (each.fault is not None or (each.chunks and not heap.view.sizes_of(each.chunks).all()))
        for each in heap.view.bins
    )
    if prev_size == size and broken:
        return None  # lost from that list, not the header's fault
    if ends_a_listed_chunk(heap, int(table.address[row + 1]), prev_size):
        return None  # that one lies in another, and is told
    below = (
        clause("prev_size_agrees") if prev_size == size else clause("prev_size_chunk", prev_size=prev_size, size=size)
    )
    consolidating = heap.texts.choose(
        "corrupted size vs. prev_size while consolidating", "corrupted size vs. prev_size", otherwise=None
    )
    call = clause("free_of_this_block_aborts")
    if prev_size != size:
        call = clause("free_of_next_chunk_merges", consolidating=consolidating)
    swallowed = heap.view.place_of(int(table.address[row + 1]) - prev_size)
    suspects = (int(table.address[row]),) if swallowed is not None else ()
    wrong = Violation(
        Invariant.PREV_INUSE,
        dies_with("double free or corruption (!prev)"),
        exactly(heap.size_word(row + 1) | PREV_INUSE),
        call,
        clause("chunk_before_is_in_no_bin", address=Address(int(table.address[row])), below=below),
        suspects,
    )
    found = _behind(heap, row, wrong)
    lost = prev_size == size and has_links_of_a_list(heap, int(table.address[row]), arena)
    return replace(found, followed=Followed("list", int(table.address[row]), found.where)) if lost else found


def _behind(heap: CheckedHeap, row: int, violation: Violation) -> Finding:
    """Return the Finding of a wrong size word in the chunk behind the row."""
    address, held = int(heap.table.address[row + 1]), heap.size_word(row + 1)
    arena = int(heap.table.arena[row])
    where = address + heap.layout.pointer_size
    return violation.at(address, WrongField("size", where, held), arena)


def _top_without_prev_inuse(heap: CheckedHeap, row: int) -> Finding:
    address, held = int(heap.table.address[row]), heap.size_word(row)
    call = clause("next_malloc_top_cannot_serve_assertion")
    why = clause("free_chunk_before_top_would_have")
    where = address + heap.layout.pointer_size
    message = called("top_without_prev_inuse")
    return Violation(Invariant.PREV_INUSE_OF_TOP, message, exactly(held | PREV_INUSE), call, why).at(
        address, WrongField("size", where, held), int(heap.table.arena[row])
    )


def _check_prev_size(heap: CheckedHeap) -> Iterator[Finding]:
    """The last word of a chunk in a bin is its size again."""
    rows, held = heap.prev_sizes
    for index in np.flatnonzero(held != heap.table.size[rows])[:MOST_FINDINGS].tolist():
        row = int(rows[index])
        address, size = int(heap.table.address[row]), int(heap.table.size[row])
        message = heap.texts.choose("corrupted size vs. prev_size", otherwise=called("prev_size_wrong"))
        call = clause("any_call_takes_merges_free_chunk")
        if heap.table.state[row] == State.UNSORTED:
            message = heap.texts.choose("malloc(): mismatching next->prev_size (unsorted)", otherwise=message)
            call = clause("next_malloc_sorts_unsorted_bin")
        yield Violation(
            Invariant.PREV_SIZE,
            message,
            exactly(size),
            call,
            why=clause("size_of_the_free_chunk", address=Address(address)),
            suspects=(address,),
        ).at(address + size, WrongField("prev_size", address + size, int(held[index])), int(heap.table.arena[row]))


def _check_touching(heap: CheckedHeap) -> Iterator[Finding]:
    """Two chunks in bins never touch, nor does one touch top: they would have been merged."""
    table = heap.table
    free_behind = np.zeros(len(table), bool)
    free_behind[:-1] = heap.binned[1:] | (table.state[1:] == State.TOP)
    for row in _first(heap.joined & heap.binned & free_behind):
        address, behind = int(table.address[row]), int(table.address[row + 1])
        what = table[row + 1].state.label
        yield Violation(
            Invariant.FREE_CHUNKS_APART,
            called("free_chunks_not_merged"),
            Must(clause("chunk_not_free_one_before", address=Address(address))),
            clause("none_dies_once_block_may_list"),
            why=clause("chunk_followed_one", label=table[row].state.label, what=what),
            suspects=(address,),
        ).at(
            address,
            WrongField("size", behind + heap.layout.pointer_size, heap.size_word(row + 1)),
            int(table.arena[row]),
        )


def _first(mask: NDArray[np.bool_]) -> list[int]:
    found: list[int] = np.flatnonzero(mask)[:MOST_FINDINGS].tolist()
    return found
