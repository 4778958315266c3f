"""Tops that malloc closed too early: their size had been overwritten with a smaller one.

When such a top cannot serve a request, malloc finds the break farther up than where top ends, takes that for memory
of somebody else, closes the top with fenceposts, and counts all up to the break once more in system_mem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField
from gdbheap.analysis.invariants.followed import Followed
from gdbheap.glibc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.glibc.invariant import Invariant
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fault import called

# Among so many places where the memory of the main arena is not malloc's it is tried which are counted twice.
_MOST_GAPS = 10

Gap = tuple[int, int]


def closed_early(heap: CheckedHeap, arena: Arena) -> tuple[Gap, ...]:
    """Return the stretches [start, end) behind fenceposts of the main arena that system_mem counts twice."""
    parameters = heap.view.parameters
    base = parameters["sbrk_base"] if parameters is not None else 0
    end = end_of_break(heap, arena)
    if not arena.is_main or arena.value["flags"] & NONCONTIGUOUS or not base or end is None:
        return ()
    excess = base + arena.system_mem - end
    ends = [(before.end, after.mapping) for before, after in zip(arena.regions, arena.regions[1:])]
    gaps = [each for each in ends if bytes_of(heap, each) > 0]
    if excess <= 0 or len(gaps) > _MOST_GAPS:
        return ()
    for count in range(len(gaps), 0, -1):
        for chosen in combinations(gaps, count):
            if sum(bytes_of(heap, each) for each in chosen) == excess:
                return chosen
    return ()


def bytes_of(heap: CheckedHeap, gap: Gap) -> int:
    """Return how many bytes of a gap are counted: a top ends at a page."""
    return gap[1] - heap.process.page_after(gap[0])


def end_of_break(heap: CheckedHeap, arena: Arena) -> int | None:
    """Return the program break; where it is not known, the end of top, if its mapping ends there, too."""
    if heap.layout.brk is not None:
        return heap.layout.brk.value
    end = arena.top + arena.top_size
    vma = heap.process.address_space.find(arena.top)
    return end if vma is not None and vma.end == end else None


def check_closed_tops(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """Yield each top that was closed before its end."""
    for gap in closed_early(heap, arena):
        start, end = gap
        first = start - 2 * heap.layout.header
        row = heap.table.row_at(first - 1)
        chunk = int(heap.table.address[row]) if row is not None else first
        why = clause(
            "fenceposts_before_close_top_went_size",
            start=Address(start),
            end=Address(end),
            size=bytes_of(heap, gap),
            value=Address(chunk + heap.layout.pointer_size),
        )
        call = clause("none_once_memory_up_lost")
        where = chunk + heap.layout.pointer_size
        wrong = Violation(Invariant.TOP_CLOSED, called("top_closed_early"), Must(), call, why)
        found = wrong.at(chunk, WrongField("", where, None), arena.index)
        yield replace(found, followed=Followed("top", chunk, where))
