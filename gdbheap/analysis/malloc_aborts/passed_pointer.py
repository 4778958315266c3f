"""What the pointer is that a dying free or realloc was given: a block in use, one that is free already, the middle of one, or none of malloc's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.mappings.address_facts import part_at
from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.naming import owner_name, place_of

# Lists whose chunks keep their size and place, so that their blocks are still those that were freed.
_KEEPS_BLOCKS = (State.TCACHE, State.FASTBIN)


@dataclass(frozen=True)
class PassedPointer:
    """`kind`: "block" (of the program's, in use), "freed" (a block that is free), "merged" (inside free memory: what was there is gone), "inside"
    (not the start of a block), "foreign" (no heap's). `words` say so for people."""

    kind: str
    words: str

    @property
    def is_freed_twice(self) -> bool:
        return self.kind in ("freed", "merged")


def what_was_passed(heap: CheckedHeap, pointer: int, symbol_at: Callable[[int], str]) -> PassedPointer:
    """Return what a pointer that free or realloc was given is."""
    chunk = heap.view.chunk_at(pointer)
    if chunk is None:
        return PassedPointer("foreign", _elsewhere(heap, pointer, symbol_at))
    mem = chunk.address + heap.layout.header
    offset = pointer - mem
    if pointer % heap.layout.alignment:
        words = f"is not aligned as blocks are: {offset:+#x} bytes from the start of the {chunk.state.label} block {mem:#x} of {chunk.size:#x}"
        return PassedPointer("inside", words)
    if chunk.state is State.TOP:
        return PassedPointer(
            "merged", f"lies in top, {offset:#x} bytes into it: memory that was given back, or never handed out"
        )
    if chunk.state.is_free and offset == 0:
        return PassedPointer("freed", f"is free already: in {_list(heap, chunk)}")
    if chunk.state.is_free and chunk.state not in _KEEPS_BLOCKS:
        where = f"lies {offset:#x} bytes into the free chunk {chunk.address:#x} of {chunk.size:#x} bytes, in {_list(heap, chunk)}"
        return PassedPointer("merged", f"{where}: the block was freed and merged into that, or never was one")
    usable = f"{chunk.end - mem + heap.layout.pointer_size:#x} usable bytes"
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


def _list(heap: CheckedHeap, chunk: Chunk) -> str:
    place = heap.view.place_of(chunk.address)
    return f"{place_of(heap.view, chunk)} of {owner_name(place.bin)}" if place is not None else "a free list"


def _elsewhere(heap: CheckedHeap, pointer: int, symbol_at: Callable[[int], str]) -> str:
    here = next((each for each in annotate(heap.process, heap.view) if pointer in each.vma), None)
    if here is None:
        return "points to where nothing is mapped"
    symbol = symbol_at(pointer)
    text = part_at(here, pointer).text
    what = f"{symbol}, in {text}" if symbol and symbol not in text else text
    return f"lies outside every heap ({what})"
