"""Arenas: the ring from main_arena, and the heaps that each of the others owns."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.errors import MemoryFault
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.sizes import align_up
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.address_space import VMA
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault, called, unreadable
from gdbheap.process.memory import sparse
from gdbheap.process.process import Process

# glibc makes 8 arenas a core unless told otherwise (arena_max); a ring longer than this is not one.
_MOST_ARENAS = 1 << 16
_WRONG_ARENA = called("heap_info_names_wrong_arena")

# A 64-bit heap is 64 MiB: this is 4 TiB of one arena.
_MOST_HEAPS = 1 << 16


@dataclass(frozen=True)
class NonMainHeap:
    """A non-main heap: `address` of its heap_info, `first_chunk`, `end` of the part in use."""

    address: int
    first_chunk: int
    end: int


def read_ring(process: Process, layout: Layout) -> tuple[list[StructValue], list[Fault]]:
    """Return every arena's malloc_state in ring order, main first, and Faults where the ring is broken: then the arenas
    that threads use, and those that their links lead to, come behind the ones that were met.

    Raises MemoryFault where main_arena itself cannot be read.
    """
    main = layout.main_arena.value
    arenas = [layout.malloc_state.read(process.memory, main)]
    fault = _follow_ring(process, layout, arenas, main)
    if len(arenas) == 1 and not arenas[0]["top"]:
        return arenas, []  # a zeroed main_arena (malloc not used yet, to glibc 2.41) has no ring at all
    met = {each.address for each in arenas}
    left_out = _left_out(process, layout, met)
    if left_out and fault is None:
        # What leads past them is what leads to where they lead to.
        onward = {each["next"] for each in left_out} - {each.address for each in left_out}
        skips = next((each for each in arenas if each["next"] in onward), arenas[0])
        detail = clause("next_past_arena", next=Address(skips["next"]), arena=Address(left_out[0].address))
        fault = Fault(skips.address, called("arena_ring_leaves_out_arenas"), detail, Invariant.ARENA_RING)
    return [*arenas, *left_out], [] if fault is None else [fault]


def _left_out(process: Process, layout: Layout, met: set[int]) -> list[StructValue]:
    """Return the arenas that the ring does not lead to: those that threads use, and that heaps name; their own links
    lead back into it."""
    used = {each.arena.value for each in layout.threads if each.arena is not None}
    used |= {heap + layout.heap_info.size for heap in heaps_of(process, layout)}
    found: dict[int, StructValue] = {}
    for address in sorted(used - met):
        value = _read_arena(process, layout, address)
        if not isinstance(value, Fault):
            found[address] = value
    # An arena of another libc in the same process (dlmopen) leads to that one's main_arena.
    for address in list(found):
        at, steps = address, 0
        while at in found and steps <= len(found):
            at, steps = found[at]["next"], steps + 1
        if at not in met and steps <= len(found):
            del found[address]
    return list(found.values())


def _follow_ring(process: Process, layout: Layout, arenas: list[StructValue], main: int) -> Fault | None:
    """Add the arenas that follow the last by next, up to main_arena, or return the Fault of a link that leads to
    none."""
    seen = {each.address for each in arenas}
    while (following := arenas[-1]["next"]) != main:
        here = arenas[-1].address
        if following in seen or len(arenas) >= _MOST_ARENAS:
            return Fault(
                here,
                called("arena_ring_does_not_close"),
                clause("next_met_before", next=Address(following)),
                Invariant.ARENA_RING,
            )
        found = _read_arena(process, layout, following)
        if isinstance(found, Fault):
            return Fault(
                here, found.message, clause("next_is", next=Address(following), why=found.detail), Invariant.ARENA_RING
            )
        seen.add(following)
        arenas.append(found)
    return None


def _read_arena(process: Process, layout: Layout, address: int) -> StructValue | Fault:
    """Return the malloc_state at `address`, or why there can be none."""
    if address % layout.pointer_size or not _is_writable(process, address):
        return Fault(address, called("arena_ring_broken"), clause("no_arena_can_be"), Invariant.ARENA_RING)
    try:
        value = layout.malloc_state.read(process.memory, address)
    except MemoryFault as error:
        return Fault(address, called("arena_ring_broken"), unreadable(error), Invariant.ARENA_RING)
    return _not_an_arena(value, layout, process) or value


def _is_writable(process: Process, address: int) -> bool:
    vma = process.address_space.find(address)
    return vma is not None and vma.writable


def _not_an_arena(value: StructValue, layout: Layout, process: Process) -> Fault | None:
    """Return the Fault of what the ring calls an arena and is none: every non-main arena lies in its own first heap,
    whose heap_info names it (or is followed by it, with a top that has room in a heap: then ar_ptr alone is
    wrong, which read_heaps tells)."""
    heap = value.address & ~(layout.heap_max - 1)
    try:
        owner = layout.heap_info.read(process.memory, heap)["ar_ptr"]
    except MemoryFault:
        owner = None
    if owner == value.address:
        return None
    follows = value.address == heap + layout.heap_info.size
    if owner is not None and follows and value["system_mem"] and _is_writable(process, value["top"]):
        return None
    why = clause("heap_names_nothing", heap=Address(heap))
    if owner is not None:
        why = clause("heap_names_other_arena", heap=Address(heap), arena=Address(owner))
    return Fault(
        value.address,
        called("arena_ring_broken"),
        why,
        Invariant.ARENA_RING,
    )


def first_chunk_after(address: int, layout: Layout) -> int:
    """Return where the first chunk begins in memory that is free from `address` on: its mem is aligned, not its
    header."""
    return align_up(address + layout.header, layout.alignment) - layout.header


def first_chunk_of(heap: int, arena: int, layout: Layout) -> int:
    """Return where the first chunk of a non-main heap begins: behind its heap_info, or behind the arena that follows
    it."""
    holds_arena = heap <= arena < heap + layout.heap_max
    return first_chunk_after(arena + layout.malloc_state.size if holds_arena else heap + layout.heap_info.size, layout)


def heaps_of(process: Process, layout: Layout, arena: int | None = None) -> list[int]:
    """Return where the heaps of the arena (None: of any) begin, judged by the address space and by ar_ptr alone."""
    found = []
    for vma in process.address_space:
        if not vma.writable or vma.is_file:
            continue
        for heap in _places_of_heaps(process, vma, layout.heap_max):
            try:
                owner = layout.heap_info.read(process.memory, heap)["ar_ptr"]
            except MemoryFault:
                continue
            if owner == arena or (arena is None and owner == heap + layout.heap_info.size):
                found.append(heap)
            if len(found) >= _MOST_HEAPS:
                return found
    return found


def _places_of_heaps(process: Process, vma: VMA, heap_max: int) -> Iterator[int]:
    """Yield the multiples of `heap_max` in a mapping at which something may be: of a core's, what it holds nothing
    of is passed over."""
    memory, spans = sparse(process.memory), [(vma.start, vma.end)]
    if memory is not None:
        spans = [each for held in memory.held_spans(vma.start, vma.end) for each in memory.data_spans(*held)]
    for start, end in spans:
        yield from range(-(-start // heap_max) * heap_max, end, heap_max)


def read_heaps(process: Process, layout: Layout, arena: StructValue) -> tuple[list[NonMainHeap], list[Fault]]:
    """Return a non-main arena's heaps, the oldest first, from its top back along `prev`."""
    address = arena["top"] & ~(layout.heap_max - 1)
    heaps: list[NonMainHeap] = []
    faults: list[Fault] = []
    came_from = 0
    seen: set[int] = set()
    while address:
        if address in seen or len(heaps) >= _MOST_HEAPS:
            loop = clause("prev_leads_back", heap=Address(address))
            faults.append(Fault(came_from, called("heap_info_chain_loops"), loop, Invariant.HEAP_CHAIN))
            break
        seen.add(address)
        try:
            info = layout.heap_info.read(process.memory, address)
        except MemoryFault as error:
            detail = unreadable(error)
            if came_from:
                detail = clause("prev_unreadable", prev=Address(address), why=detail)
            broken = called("heap_info_chain_broken")
            faults.append(Fault(came_from or address, broken, detail, Invariant.HEAP_CHAIN))
            break
        holds_arena = address <= arena.address < address + layout.heap_max
        if info["ar_ptr"] != arena.address and holds_arena:
            faults.append(Fault(address, _WRONG_ARENA, _wrong_arena(info, arena), Invariant.HEAP_ARENA))
        corrupt = _corrupt_heap_info(layout, info, arena, holds_arena)
        if corrupt is not None:
            faults.append(Fault(address, called("heap_info_corrupt"), corrupt, Invariant.HEAP_INFO))
            break
        first = first_chunk_of(address, arena.address, layout)
        heaps.append(NonMainHeap(address, first, address + info["size"]))
        came_from, address = address, info["prev"]
    return heaps[::-1], faults


def _corrupt_heap_info(layout: Layout, info: StructValue, arena: StructValue, holds_arena: bool) -> Fact | None:
    """Return why this is not to be followed as a heap of the arena's, None if it is; the heap that `holds_arena` is
    believed whatever its ar_ptr says."""
    if info["ar_ptr"] != arena.address and not holds_arena:
        return _wrong_arena(info, arena)
    if not 0 < info["size"] <= layout.heap_max:
        return clause("heap_size_too_large", size=info["size"], most=layout.heap_max)
    if info["prev"] % layout.heap_max:
        return clause("prev_misaligned", prev=Address(info["prev"]), alignment=layout.heap_max)
    return None


def _wrong_arena(info: StructValue, arena: StructValue) -> Fact:
    return clause("ar_ptr_is_not_arena", ar_ptr=Address(info["ar_ptr"]), arena=Address(arena.address))
