"""What the pointer is that a dying free or realloc was given: a block in use, one that is free already, the middle
of one, or none of malloc's."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.mappings.address_facts import part_at
from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.naming import owner_name, place_of
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process
from gdbheap.process.symbols import SymbolAt

# So much of a text is shown.
_SHOWN = 48
_MISALIGNED = "it is not aligned as blocks are"
# Lists whose chunks keep their size and place, so that their blocks are still those that were freed.
_KEEPS_BLOCKS = (State.TCACHE, State.FASTBIN)


@dataclass(frozen=True)
class PassedPointer:
    """`kind`: "block" (of the program's, in use), "freed" (a block that is free), "merged" (inside free memory: what
    was there is gone), "inside" (not the start of a block), "foreign" (no heap's), "damaged" (where the headers
    are overwritten: nobody can tell whether a block began there). `words` say so for people."""

    kind: str
    words: str

    @property
    def is_freed_twice(self) -> bool:
        return self.kind in ("freed", "merged")

    @property
    def is_no_block(self) -> bool:
        """Whether malloc never returned it."""
        return self.kind in ("inside", "foreign")


def what_was_passed(heap: CheckedHeap, pointer: int, symbol_at: SymbolAt) -> PassedPointer:
    """Return what a pointer that free or realloc was given is."""
    chunk = heap.view.chunk_at(pointer)
    if chunk is None:
        return PassedPointer("foreign", _elsewhere(heap.process, heap.view, pointer, symbol_at))
    mem = chunk.address + heap.layout.header
    offset = pointer - mem
    if heap.gap_at(pointer) is not None and pointer % heap.layout.alignment == 0:
        words = f"lies between {chunk.address:#x} and {chunk.end:#x}, where the headers of the blocks are overwritten"
        return PassedPointer("damaged", words)
    usable = f"{chunk.end - mem + heap.layout.pointer_size:#x} usable bytes"
    if pointer % heap.layout.alignment:
        far = f"{offset:#x} bytes into" if offset > 0 else f"{-offset:#x} bytes before the start of"
        what = (
            f"block {mem:#x} of {usable}"
            if chunk.state is State.IN_USE
            else f"{chunk.state.label} chunk {chunk.address:#x}"
        )
        return PassedPointer("inside", f"points {far} the {what}: {_cookie(heap, chunk, offset) or _MISALIGNED}")
    if chunk.state is State.TOP:
        return PassedPointer(
            "merged", f"lies in top, {offset:#x} bytes into it: memory that was given back, or never handed out"
        )
    if chunk.state.is_free and offset == 0:
        return PassedPointer("freed", f"is free already: in {_list(heap, chunk)}")
    if chunk.state.is_free and chunk.state not in _KEEPS_BLOCKS:
        where = (
            f"lies {offset:#x} bytes into the free chunk {chunk.address:#x} of {chunk.size:#x} bytes, in "
            f"{_list(heap, chunk)}"
        )
        return PassedPointer("merged", f"{where}: the block was freed and merged into that, or never was one")
    if offset > 0:
        freed = (
            f"freed block {mem:#x}, in {_list(heap, chunk)}" if chunk.state.is_free else f"block {mem:#x} of {usable}"
        )
        return PassedPointer("inside", f"points {offset:#x} bytes into the {freed}, not to its start")
    if offset < 0:
        return PassedPointer(
            "inside", f"points into the header of the block {mem:#x} of {usable}, {-offset:#x} bytes before its start"
        )
    return PassedPointer("block", f"is a block in use of {usable}")


def _cookie(heap: CheckedHeap, chunk: Chunk, offset: int) -> str:
    """Return that delete and delete[] were confused, where the pointer is off by the word in which new[] keeps the
    number of the elements."""
    word = heap.layout.pointer_size
    if abs(offset) != word or not any("libstdc++" in module.path for module in heap.process.modules):
        return ""
    if offset < 0:
        return "so does delete[] of what new returned"
    try:
        count = heap.words.read(chunk.address + heap.layout.header)
    except MemoryFault:
        return ""
    fits = 0 < count <= chunk.end - chunk.address - heap.layout.header
    return (
        f"new[] returns such a pointer where it keeps the number of the elements in front ({count:,}), and delete[] "
        "must free it"
        if fits
        else ""
    )


def _list(heap: CheckedHeap, chunk: Chunk) -> str:
    place = heap.view.place_of(chunk.address)
    return f"{place_of(heap.view, chunk)} of {owner_name(place.bin)}" if place is not None else "a free list"


def outside_heaps(process: Process, pointer: int, symbol_at: SymbolAt) -> PassedPointer | None:
    """Return what a pointer is where the heap is not known: foreign if it leads into a file's mapping, a stack or to
    nothing; else None."""
    vma = process.address_space.find(pointer)
    if vma is not None and not vma.is_file and not vma.path.startswith("[stack"):
        return None
    return PassedPointer("foreign", _elsewhere(process, None, pointer, symbol_at))


def _elsewhere(process: Process, view: HeapView | None, pointer: int, symbol_at: SymbolAt) -> str:
    here = next((each for each in annotate(process, view) if pointer in each.vma), None)
    if here is None:
        return "points to where nothing is mapped"
    symbol = symbol_at(pointer)
    text = part_at(here, pointer).text
    what = text if symbol is None or str(symbol) in text else f"{symbol}, in {text}"
    if here.vma.writable:
        return f"lies outside every heap ({what})"
    quoted = _quoted(text_at(process.memory, pointer, _SHOWN))
    return f"lies outside every heap, in memory that is read-only ({what}){quoted and f': the text {quoted}'}"


def _quoted(text: bytes) -> str:
    if not text or not all(0x20 <= byte < 0x7F for byte in text):
        return ""
    return f'"{text.decode("ascii")}"' + ("…" if len(text) == _SHOWN else "")
