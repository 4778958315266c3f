"""Arenas: the ring from main_arena, and the heaps that each of the others owns."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.errors import MemoryFault
from gdbheap.malloc.heap_view import Fault
from gdbheap.malloc.layout import Layout
from gdbheap.malloc.sizes import align_up
from gdbheap.process.cstruct import StructValue
from gdbheap.process.process import Process

# glibc makes 8 arenas a core unless told otherwise (arena_max); a ring longer than this is not one.
_MOST_ARENAS = 1 << 16
# A 64-bit heap is 64 MiB: this is 4 TiB of one arena.
_MOST_HEAPS = 1 << 16


@dataclass(frozen=True)
class Heap:
    """A non-main heap: `address` of its heap_info, `first_chunk`, `end` of the part in use, `reserved_end` of what was made writable."""

    address: int
    first_chunk: int
    end: int
    reserved_end: int


def read_ring(process: Process, layout: Layout) -> tuple[list[StructValue], list[Fault]]:
    """Return every arena's malloc_state in ring order, main first, and a Fault where the ring is broken.

    Raises MemoryFault where main_arena itself cannot be read.
    """
    main = layout.main_arena.value
    arenas = [layout.malloc_state.read(process.memory, main)]
    seen = {main}
    while (following := arenas[-1]["next"]) != main:
        here = arenas[-1].address
        fault = None
        if following in seen or len(arenas) >= _MOST_ARENAS:
            fault = Fault(here, "arena ring does not close", f"next is {following:#x}, which was met before main_arena")
        elif following % layout.word or not _is_writable(process, following):
            fault = Fault(here, "arena ring is broken", f"next is {following:#x}, where no arena can be")
        else:
            try:
                value = layout.malloc_state.read(process.memory, following)
            except MemoryFault as error:
                fault = Fault(here, "arena ring is broken", f"next is {following:#x}: {error}")
            else:
                fault = _not_an_arena(value, layout, process)
        if fault:
            # A zeroed main_arena (malloc not used yet, to glibc 2.41) has no ring at all.
            return arenas, [] if len(arenas) == 1 and not arenas[0]["top"] else [fault]
        seen.add(following)
        arenas.append(value)
    return arenas, []


def _is_writable(process: Process, address: int) -> bool:
    vma = process.address_space.find(address)
    return vma is not None and vma.writable


def _not_an_arena(value: StructValue, layout: Layout, process: Process) -> Fault | None:
    """Return the Fault of what the ring calls an arena and is none: every non-main arena lies in its own first heap."""
    heap = value.address & ~(layout.heap_max - 1)
    try:
        owner = layout.heap_info.read(process.memory, heap)["ar_ptr"]
    except MemoryFault:
        owner = None
    if owner == value.address:
        return None
    found = "nothing readable" if owner is None else f"{owner:#x}"
    return Fault(value.address, "arena ring is broken", f"its heap at {heap:#x} names {found} as its arena")


def first_chunk_after(address: int, layout: Layout) -> int:
    """Return where the first chunk begins in memory that is free from `address` on: its mem is aligned, not its header."""
    return align_up(address + layout.header, layout.alignment) - layout.header


def read_heaps(process: Process, layout: Layout, arena: StructValue) -> tuple[list[Heap], list[Fault]]:
    """Return a non-main arena's heaps, the oldest first, from its top back along `prev`."""
    address = arena["top"] & ~(layout.heap_max - 1)
    heaps: list[Heap] = []
    seen: set[int] = set()
    while address:
        if address in seen or len(heaps) >= _MOST_HEAPS:
            return heaps[::-1], [Fault(address, "heap_info chain loops", f"prev leads back to {address:#x}")]
        seen.add(address)
        try:
            info = layout.heap_info.read(process.memory, address)
        except MemoryFault as error:
            return heaps[::-1], [Fault(address, "heap_info chain is broken", str(error))]
        fault = ""
        if info["ar_ptr"] != arena.address:
            fault = f"ar_ptr is {info['ar_ptr']:#x}, the arena is {arena.address:#x}"
        elif not 0 < info["size"] <= layout.heap_max:
            fault = f"size is {info['size']:#x}, a heap has at most {layout.heap_max:#x}"
        elif info["prev"] % layout.heap_max:
            fault = f"prev is {info['prev']:#x}, heaps lie at multiples of {layout.heap_max:#x}"
        if fault:
            return heaps[::-1], [Fault(address, "heap_info is corrupt", fault)]
        holds_arena = address <= arena.address < address + layout.heap_max
        head = arena.address + layout.malloc_state.size if holds_arena else address + layout.heap_info.size
        reserved = max(info["mprotect_size"], info["size"])
        heaps.append(Heap(address, first_chunk_after(head, layout), address + info["size"], address + reserved))
        address = info["prev"]
    return heaps[::-1], []
