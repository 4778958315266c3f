"""A free chunk, or top, that begins inside another block: the header that led malloc there, or the size of the block
around it; or that neither is to be seen any more."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.analysis.invariants.followed import merged_at
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE, Chunk
from gdbheap.glibc.invariant import Invariant
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import called


@dataclass(frozen=True)
class FreeInside:
    """A free chunk, or top, that begins inside a block: its address, its size word, and `what` leads to it."""

    chunk: int
    size: int
    what: Fact


def inside_a_block(heap: CheckedHeap, around: Chunk, free: FreeInside) -> Finding:
    """Return the Finding of what begins inside `around`."""
    chunk, what = free.chunk, free.what
    found = forged_header(heap, around.address, around.arena, free)
    if found is not None:
        return found
    if chunk - around.address < heap.layout.min_size:
        why = clause("block_around_cannot_end_malloc_followed", address=Address(around.address))
        call = clause("none_once_memory_belongs_two_blocks")
        why = clause("inside_a_block", what=what, address=Address(around.address), size=around.size, why=why)
        message = called("free_chunk_inside_block")
        return Violation(Invariant.NO_OVERLAP, message, Must(), call, why).at(
            chunk, WrongField("", chunk, None), around.arena
        )
    where = around.address + heap.layout.pointer_size
    expected = clause("at_most_that_size", size=chunk - around.address)
    call = clause("none_once_block_handed_out_freed")
    why = clause("in_the_middle_of_this", what=what)
    held = around.size | around.flags
    return Violation(Invariant.NO_OVERLAP, called("chunks_overlap"), Must(expected), call, why, (chunk,)).at(
        around.address, WrongField("size", where, held), around.arena
    )


def forged_header(heap: CheckedHeap, around: int, arena: int | None, free: FreeInside) -> Finding | None:
    """Return the Finding of the header whose free merged it with what its prev_size made up inside the block at
    `around`; None where there is none such."""
    chunk, what = free.chunk, free.what
    followed = merged_at(heap, around, chunk, chunk + (free.size & ~FLAG_MASK))
    if followed is None:
        return None
    message = heap.texts.choose(
        "corrupted size vs. prev_size while consolidating",
        "corrupted size vs. prev_size",
        otherwise=called("forged_header"),
    )
    held = followed.value or 0
    why = clause("malloc_itself_followed_forged_header", end=Address(followed.end), what=what, around=Address(around))
    call = clause("none_once_memory_belongs_two_blocks")
    suspects = (around,) if chunk - around >= heap.layout.min_size else ()
    found = Violation(Invariant.PREV_INUSE, message, exactly(held | PREV_INUSE), call, why, suspects).at(
        followed.end, WrongField("size", followed.where, held), arena
    )
    return replace(found, followed=followed)
