"""What the pointer is that a dying free or realloc was given: a block in use, one that is free already, the middle
of one, or none of malloc's."""

from __future__ import annotations

from gdbheap.analysis.facts.passed import (
    BlockInUse,
    FreeAlready,
    InsideBlock,
    InsideFreeChunk,
    OutsideHeaps,
    PointsInsideTop,
    PointsMisaligned,
    PointsNowhere,
    WhereDamaged,
)
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.mappings.address_facts import part_at
from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, Chunk, State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import owner_name, place_of
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

# So much of a text is shown.
_SHOWN = 48
# Lists whose chunks keep their size and place, so that their blocks are still those that were freed.
_KEEPS_BLOCKS = (State.TCACHE, State.FASTBIN)


@dataclass(frozen=True)
class PassedPointer:
    """`kind`: "block" (of the program's, in use), "freed" (a block that is free), "merged" (inside free memory: what
    was there is gone), "inside" (not the start of a block), "foreign" (no heap's), "damaged" (where the headers
    are overwritten: nobody can tell whether a block began there). `fact` says all that is known of it."""

    kind: str
    fact: Fact

    @property
    def is_freed_twice(self) -> bool:
        return self.kind in ("freed", "merged")

    @property
    def is_no_block(self) -> bool:
        """Whether it is the start of no block."""
        return self.kind in ("inside", "foreign")


def what_was_passed(heap: CheckedHeap, pointer: int, symbol_at: SymbolAt) -> PassedPointer:
    """Return what a pointer that free or realloc was given is."""
    chunk = heap.view.chunk_at(pointer)
    if chunk is None:
        return PassedPointer("foreign", _elsewhere(heap.process, heap.view, pointer, symbol_at))
    mem = chunk.address + heap.layout.header
    offset = pointer - mem
    usable = chunk.end - mem + heap.layout.pointer_size
    if heap.gap_at(pointer) is not None and pointer % heap.layout.alignment == 0:
        return PassedPointer("damaged", WhereDamaged(chunk.address, chunk.end))
    if pointer % heap.layout.alignment:
        confused, count = _cookie(heap, chunk, offset)
        state = chunk.state.label
        return PassedPointer("inside", PointsMisaligned(offset, mem, usable, state, chunk.address, confused, count))
    if chunk.state is State.TOP:
        return PassedPointer("merged", PointsInsideTop(offset))
    if chunk.state.is_free and offset == 0:
        return PassedPointer("freed", FreeAlready(_list(heap, chunk)))
    if chunk.state.is_free and chunk.state not in _KEEPS_BLOCKS:
        return PassedPointer("merged", InsideFreeChunk(offset, chunk.address, chunk.size, _list(heap, chunk)))
    if offset:
        place = _list(heap, chunk) if chunk.state.is_free else ""
        left = _size_left_before(heap, pointer, chunk.arena)
        return PassedPointer("inside", InsideBlock(offset, mem, usable, chunk.state.is_free, place, left))
    return PassedPointer("block", BlockInUse(usable))


def _size_left_before(heap: CheckedHeap, pointer: int, arena: int) -> int:
    """Return the word in front of a pointer into a block where it may be what is left of the header of a block that
    began there, was freed, merged with its neighbours and handed out again as a part of this one; else 0."""
    try:
        raw = heap.words.read(pointer - heap.layout.pointer_size)
    except MemoryFault:
        return 0
    size, most = raw & ~FLAG_MASK, max((each.system_mem for each in heap.view.arenas if each.index == arena), default=0)
    fits = heap.layout.min_size <= size <= most and size % heap.layout.alignment == 0 and not raw & IS_MMAPPED
    return raw if fits else 0


def _cookie(heap: CheckedHeap, chunk: Chunk, offset: int) -> tuple[str, int]:
    """Return which of delete and delete[] must have been taken for the other, where the pointer is off by the word in
    which new[] keeps the number of the elements, and that number; ("", 0) for neither."""
    word = heap.layout.pointer_size
    if abs(offset) != word or not any("libstdc++" in module.path for module in heap.process.modules):
        return "", 0
    if offset < 0:
        return "delete", 0
    try:
        count = heap.words.read(chunk.address + heap.layout.header)
    except MemoryFault:
        return "", 0
    fits = 0 < count <= chunk.end - chunk.address - heap.layout.header
    return ("delete_array", count) if fits else ("", 0)


def _list(heap: CheckedHeap, chunk: Chunk) -> str:
    place = heap.view.place_of(chunk.address)
    return f"{place_of(heap.view, chunk)} of {owner_name(place.bin)}" if place is not None else ""


def outside_heaps(process: Process, pointer: int, symbol_at: SymbolAt) -> PassedPointer | None:
    """Return what a pointer is where the heap is not known: foreign if it leads into a file's mapping, a stack or to
    nothing; else None."""
    vma = process.address_space.find(pointer)
    if vma is not None and not vma.is_file and not vma.path.startswith("[stack"):
        return None
    return PassedPointer("foreign", _elsewhere(process, None, pointer, symbol_at))


def _elsewhere(process: Process, view: HeapView | None, pointer: int, symbol_at: SymbolAt) -> Fact:
    heap = None if view is None else GlibcHeap.of(view)
    here = next((each for each in annotate(process, heap) if pointer in each.vma), None)
    if here is None:
        return PointsNowhere()
    part = part_at(here, pointer)
    text = b"" if here.vma.writable else text_at(process.memory, pointer, _SHOWN)
    shown = text.decode("ascii") if all(0x20 <= byte < 0x7F for byte in text) else ""
    return OutsideHeaps(
        symbol_at(pointer) or None, part.kind, part.text, here.vma.writable, shown, len(shown) == _SHOWN
    )
