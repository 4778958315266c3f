"""Who points into a block: the words of writable memory that hold an address inside it."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import place_of
from gdbheap.lazy import np
from gdbheap.process.live.touched import touched_spans
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt


@dataclass(frozen=True)
class PointerPlace:
    """A word at `where` that holds `pointer`; `what` tells in words where that is."""

    where: int
    pointer: int
    what: str


def holders(
    process: Process, view: HeapView, symbol_at: SymbolAt, start: int, end: int, most: int = 8
) -> list[PointerPlace]:
    """Return the first `most` words of writable memory (and the registers) that hold an address in [start, end).
    Links that malloc keeps itself, in free chunks, arenas and tcaches, are left out."""
    found: list[PointerPlace] = []
    for thread in process.threads:
        for name, value in thread.registers.items():
            if start <= value < end and name != process.machine.program_counter and len(found) < most:
                found.append(PointerPlace(0, value, f"register {name} of thread {thread.number}"))
    low, span = np.uint64(start), np.uint64(end - start)
    word_type = np.dtype(f"u{process.pointer_size}")
    private = ((vma.start, vma.end) for vma in process.address_space if vma.writable and not vma.shared)
    for low_end, high_end in touched_spans(process, private):
        for address, data in readable_pieces(process.memory, low_end, high_end):
            words = np.frombuffer(data, word_type, len(data) // process.pointer_size).astype(np.uint64)
            for index in np.flatnonzero(words - low < span).tolist():
                where = address + index * process.pointer_size
                what = None if start <= where < end else _place(process, view, symbol_at, where)
                if what is not None:
                    found.append(PointerPlace(where, int(words[index]), what))
                if len(found) >= most:
                    return found
    return found


def _place(process: Process, view: HeapView, symbol_at: SymbolAt, where: int) -> str | None:
    """Return what lies at `where`, or None where malloc keeps its own links."""
    struct = view.layout.malloc_state
    if any(0 <= where - arena.address < struct.size for arena in view.arenas):
        return None
    chunk = view.chunk_at(where)
    if chunk is not None:
        mem = chunk.address + view.layout.header
        if chunk.state.is_free and where - mem >= 4 * process.pointer_size:
            return f"the free chunk at {chunk.address:#x} ({place_of(view, chunk)})"
        if chunk.state is not State.IN_USE:
            return None
        return f"the block at {mem:#x} of {chunk.size:#x}, {where - mem:#x} bytes in"
    for thread in process.threads:
        vma = process.address_space.find(thread.stack_pointer)
        if vma is not None and where in vma:
            below = where < thread.stack_pointer
            return (
                None
                if below
                else f"the stack of thread {thread.number}, {where - thread.stack_pointer:#x} bytes above its stack "
                "pointer"
            )
    symbol = symbol_at(where)
    if symbol is not None:
        return str(symbol)
    vma = process.address_space.find(where)
    return "" if vma is None else vma.path or "an anonymous mapping"
