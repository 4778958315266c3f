"""How to catch the write that broke a field, or the free that broke a list, in a rerun: gdb's commands."""

from __future__ import annotations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.suspects.suspected_writer import LINKS, SuspectedWriter
from gdbheap.glibc.chunk_table import State

# Fields that are no whole words.
_NARROW = {
    "num_slots": "unsigned short",
    "counts": "unsigned short",
    "binmap": "unsigned int",
    "n_mmaps": "unsigned int",
}


def recipe(heap: CheckedHeap, found: Finding, writer: SuspectedWriter) -> tuple[str, str, str]:
    """Return the gdb commands that catch the write in a rerun: the watchpoint, the breakpoint at which to set it (""
    for what is no chunk's), and the way back with rr."""
    if found.listed is not None and found.listed.kind not in ("moved", "left"):
        stop = break_at_free(heap, found.listed.mem)
        return "", stop, f"rr record PROGRAM; rr replay; continue to the end; {stop}; reverse-continue"
    where = found.where if found.followed is None else found.followed.where
    word = _NARROW.get(found.field.partition("[")[0], "unsigned long")
    watch = f"watch -l *({word} *){where:#x}"
    if found.held is not None:
        watch += f" if *({word} *){where:#x} == {found.held:#x}"
    argument = _argument(heap)
    if writer.kind in ("dangling", "double_free") or found.field in LINKS:
        stop = break_at_free(heap, (writer.chunk or found.address) + heap.layout.header)
    elif writer.kind == "overrun" and writer.chunk is not None:
        chunk = heap.view.chunk_at(writer.chunk)
        size = 0 if chunk is None else chunk.size
        if found.followed is not None:
            size = found.followed.end - found.followed.owner
        high = size - heap.layout.pointer_size
        low = high - heap.layout.alignment + 1
        stop = f"break malloc if {argument} >= {max(low, 0):#x} && {argument} <= {high:#x}"
    elif found.followed is not None and found.followed.kind == "top":
        stop = ""
    elif writer.kind not in ("underrun", "stack") and _is_programs(heap, where):
        stop = break_at_free(heap, found.address + heap.layout.header)
    else:
        stop = ""
    rr = f"rr record PROGRAM; rr replay; continue to the end; watch -l *({word} *){where:#x}; reverse-continue"
    return watch, stop, rr


def _is_programs(heap: CheckedHeap, where: int) -> bool:
    """Whether the address lies in a chunk that programs free: not in malloc's own."""
    chunk = heap.view.chunk_at(where)
    return chunk is not None and chunk.state is not State.MALLOC_OWNED


def break_at_free(heap: CheckedHeap, mem: int) -> str:
    """Return the gdb command that stops at each free of the block."""
    return f"break free if {_argument(heap)} == {mem:#x}"


def _argument(heap: CheckedHeap) -> str:
    """Return the first argument of a function that was just called, as a gdb expression."""
    return heap.process.machine.first_argument
