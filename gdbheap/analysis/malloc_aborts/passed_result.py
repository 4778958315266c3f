"""A pointer of which no value is left, told by the call that it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gdbheap.analysis.facts.passed import ResultOfCall
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.free_check import FreeOutcome
from gdbheap.analysis.malloc_aborts.dying_call import passing_frame
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.glibc.chunk_table import IS_MMAPPED, State
from gdbheap.glibc.sizes import request_to_size
from gdbheap.lazy import np
from gdbheap.process.frame import Frame

# Of more blocks of one size none is looked at.
_MOST_BLOCKS = 64


def by_result(
    heap: CheckedHeap, frames: Sequence[Frame], verdict: Callable[[int], FreeOutcome | None]
) -> AffectedChunk | None:
    """Return what was passed, where its code tells from which call of malloc's it is: with a value, a guess, where one
    block in use alone has the size. `verdict` is what the call that died says of a chunk, None where it would not
    have said what it did."""
    index = passing_frame(frames)
    caller = frames[index] if index is not None and index < len(frames) else None
    if caller is None or caller.result is None:
        return None
    found, header = caller.result, heap.layout.header
    outcomes = {mem + found.added: verdict(mem + found.added - header) for mem in _blocks(heap, found.requested)}
    fits = [pointer for pointer, outcome in outcomes.items() if outcome is not None]
    how = ResultOfCall(
        caller.function,
        None if caller.function else caller.program_counter,
        found.function,
        found.place,
        found.is_block,
        found.requested,
        found.added,
        fits[0] - found.added if len(fits) == 1 else 0,
    )
    if len(fits) != 1:
        return AffectedChunk(None, None, how, None)
    outcome = outcomes[fits[0]]
    return AffectedChunk(fits[0] - header, fits[0], how, outcome[1] if outcome is not None else None, is_guess=True)


def _blocks(heap: CheckedHeap, requested: int | None) -> list[int]:
    """Return the blocks in use that malloc may have returned for a request; [] where they are too many."""
    table = heap.table
    if requested is None or requested > int(table.size.max(initial=0)):
        return []
    size = request_to_size(requested, heap.layout)
    # What would be left of a chunk if it were too small to be one is handed out, too.
    spare = table.size - np.uint64(size)
    is_mapped = (table.flags & IS_MMAPPED) != 0
    most = np.where(is_mapped, np.uint64(heap.process.page_size), np.uint64(heap.layout.min_size - 1))
    # (The state of one whose header is overwritten is not known; how large it was is.)
    is_block = (table.state == State.IN_USE) | (table.state == State.UNKNOWN)
    rows = np.flatnonzero(is_block & (spare <= most))
    return [] if len(rows) > _MOST_BLOCKS else [int(table.address[row]) + heap.layout.header for row in rows]
