"""Free chunks whose size field was overwritten: the real end of a chunk in a bin says its size again, and that it is
free; the place where the wrong size leads says neither."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Violation, WrongField, exactly
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE, State
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.repair.culprit import headers_leading_to
from gdbheap.lazy import dataclass, np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fault import called

# So many chunks behind one are asked whether they end it, and so many bytes of it are searched for its end.
_MOST_BEHIND = 64
_SEARCHED = 4 << 20

# What such a size makes of the chunks between the two ends, or of the gap that is left.
_CONSEQUENCES = (Invariant.CHUNK_SIZE, Invariant.PREV_INUSE, Invariant.PREV_SIZE, Invariant.FREE_CHUNKS_APART)


@dataclass(frozen=True)
class WrongSize:
    """The Finding of a free chunk's size field, and how far from the chunk on it explains what else seems wrong."""

    finding: Finding
    until: int

    def explains(self, other: Finding) -> bool:
        """Whether another Finding only follows from this one."""
        here = self.finding.address
        if other.listed is not None and here < other.listed.mem < self.until:
            return True  # the list rightly holds a block that the chunk seems to contain
        is_behind = other.invariant in _CONSEQUENCES and here <= other.address <= self.until
        return is_behind or (other.invariant is Invariant.BIN_ORDER and here in other.suspects)


def wrong_free_sizes(heap: CheckedHeap) -> Iterator[WrongSize]:
    """Yield the chunks in bins that end elsewhere than their size fields say."""
    rows, held = heap.prev_sizes
    doubtful = held != heap.table.size[rows]
    doubtful |= heap.gap[np.minimum(rows + 1, len(heap.table) - 1)]
    for row in rows[doubtful][:MOST_FINDINGS].tolist():
        if not _is_believed(heap, row):
            continue  # told by the reader, who knows where the chunks go on
        end = _end_behind(heap, row) or _end_inside(heap, row)
        if end is not None:
            until = max(end, int(heap.table.address[row] + heap.table.size[row]))
            yield WrongSize(_finding(heap, row, end), until)


def _is_believed(heap: CheckedHeap, row: int) -> bool:
    """Whether the chunk's size in the table is the one in its header."""
    try:
        raw = heap.words.read(int(heap.table.address[row]) + heap.layout.pointer_size)
    except MemoryFault:
        return False
    return raw & ~FLAG_MASK == int(heap.table.size[row])


def _end_behind(heap: CheckedHeap, row: int) -> int | None:
    """Return where the chunk ends if its size is too small: the header of a later chunk says so."""
    table = heap.table
    start = int(table.address[row])
    for later in range(row + 2, min(row + 2 + _MOST_BEHIND, len(table))):
        if not heap.joined[later - 1]:
            return None
        if not heap.gap[later] and _ends(heap, start, int(table.address[later])):
            return int(table.address[later])
    return None


def _end_inside(heap: CheckedHeap, row: int) -> int | None:
    """Return where the chunk ends if its size is too large: a header inside it says so, from which headers lead to
    where it seems to end, and what is there does not say that a free chunk is before it."""
    table = heap.table
    start, size = int(table.address[row]), int(table.size[row])
    behind_is_used = bool(table.flags[row + 1] & PREV_INUSE) or bool(heap.gap[row + 1])
    if size > _SEARCHED:
        return None
    begin = start + heap.layout.min_size
    inside = headers_leading_to(heap.process.memory, heap.layout, begin, start + size).tolist()
    ends = [each for each in inside if _ends(heap, start, each)]
    listed = any(heap.view.place_of(each) is not None for each in inside)
    # (Where it was merged of several, the ends of those are still there: the last is its own.)
    return ends[-1] if ends and (behind_is_used or listed) else None


def _ends(heap: CheckedHeap, start: int, end: int) -> bool:
    """Whether the header at `end` says that the chunk before it is free, and begins at `start`."""
    try:
        prev_size, raw = heap.words.read_many(end, 2).tolist()
    except (MemoryFault, OverflowError):
        return False
    return bool(prev_size == end - start and not raw & PREV_INUSE)


def _finding(heap: CheckedHeap, row: int, end: int) -> Finding:
    address, held = int(heap.table.address[row]), heap.size_word(row)
    message = heap.texts.choose("corrupted size vs. prev_size", otherwise=called("prev_size_wrong"))
    call = clause("any_call_takes_merges_free_chunk")
    if heap.table.state[row] == State.UNSORTED:
        message = heap.texts.choose("malloc(): mismatching next->prev_size (unsorted)", otherwise=message)
        call = clause("next_malloc_sorts_unsorted_bin")
    good = exactly(end - address | PREV_INUSE)
    why = clause("the_free_chunk_ends_at", end=Address(end), size=end - address)
    field = WrongField("size", address + heap.layout.pointer_size, held)
    return Violation(Invariant.PREV_SIZE, message, good, call, why).at(address, field, int(heap.table.arena[row]))
