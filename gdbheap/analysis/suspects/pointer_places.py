"""Who points into a block: the words of writable memory that hold an address inside it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass, np
from gdbheap.process.live.touched import touched_spans
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process

# So many are named.
_MOST = 8


@dataclass(frozen=True)
class PointerPlace:
    """Where `pointer` is held: in the `register` of `thread`, else in the word at `where`: in `chunk`, on the stack of
    `thread`, `above_sp` bytes above its stack pointer, or in neither."""

    pointer: int
    register: str = ""
    where: int = 0
    thread: int | None = None
    chunk: Chunk | None = None
    above_sp: int = 0


def holders(process: Process, view: HeapView, start: int, end: int) -> list[PointerPlace]:
    """Return the first words of writable memory (and the registers) that hold an address in [start, end). Links that
    malloc keeps itself, in free chunks, arenas and tcaches, are left out."""
    return list(islice(_holders(process, view, start, end), _MOST))


def _holders(process: Process, view: HeapView, start: int, end: int) -> Iterator[PointerPlace]:
    for thread in process.threads:
        for name, value in thread.registers.items():
            if start <= value < end and name != process.machine.program_counter:
                yield PointerPlace(value, name, thread=thread.number)
    low, span = np.uint64(start), np.uint64(end - start)
    word_type = np.dtype(f"u{process.pointer_size}")
    private = ((vma.start, vma.end) for vma in process.address_space if vma.writable and not vma.shared)
    for low_end, high_end in touched_spans(process, private):
        for address, data in readable_pieces(process.memory, low_end, high_end):
            words = np.frombuffer(data, word_type, len(data) // process.pointer_size).astype(np.uint64)
            for index in np.flatnonzero(words - low < span).tolist():
                where = address + index * process.pointer_size
                if not start <= where < end:
                    yield from _at(process, view, where, int(words[index]))


def _at(process: Process, view: HeapView, where: int, pointer: int) -> Iterator[PointerPlace]:
    """Yield the place, unless malloc keeps its own links there, or nothing does any more."""
    struct = view.layout.malloc_state
    if any(0 <= where - arena.address < struct.size for arena in view.arenas):
        return
    chunk = view.chunk_at(where)
    if chunk is not None:
        is_left = chunk.state.is_free and where - chunk.address - view.layout.header >= 4 * process.pointer_size
        if is_left or chunk.state is State.IN_USE:
            yield PointerPlace(pointer, where=where, chunk=chunk)
        return
    for thread in process.threads:
        vma = process.address_space.find(thread.stack_pointer)
        if vma is not None and where in vma:
            if where >= thread.stack_pointer:
                yield PointerPlace(pointer, where=where, thread=thread.number, above_sp=where - thread.stack_pointer)
            return
    yield PointerPlace(pointer, where=where)
