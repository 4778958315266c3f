"""Who still points into a freed block: of what holds an address in it, all but links that malloc keeps itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gdbheap.analysis.pointers.who_points import pointers_into
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass
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
    for each in pointers_into(process, start, end):
        if each.place is None:
            if each.register != process.machine.program_counter:  # where a thread has jumped to holds nothing
                yield PointerPlace(each.pointer, each.register, thread=each.thread)
        else:
            yield from _at(process, view, each.place, each.pointer)


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
