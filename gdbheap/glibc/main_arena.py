"""The main arena's stretches: the brk heap, what follows a foreign sbrk, and the mappings it goes on in where brk
fails."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.arena import first_chunk_after
from gdbheap.glibc.chunk_table import FLAG_MASK, State
from gdbheap.glibc.heap_view import NONCONTIGUOUS
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.repair.unclaimed import unclaimed_ranges
from gdbheap.glibc.walk.heap_segment import HeapSegment, Sentinel, find_trail, walk_stretch
from gdbheap.glibc.walk.walk import Walker
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fault import Fault, called, dies_with
from gdbheap.process.process import Process

# Foreign sbrks and mapped continuations are rare; this many would be a loop.
_MOST_STRETCHES = 4096
# Bytes unmapped within the brk heap; each page of them is tried.
_MOST_HOLES = 64 << 20


@dataclass(frozen=True)
class _MainArena:
    """The walk of the main arena: its `stretches`, as they are found."""

    process: Process
    walker: Walker
    arena: StructValue
    stretches: list[HeapSegment]

    @property
    def layout(self) -> Layout:
        return self.walker.layout


def walk_main(
    process: Process,
    arena: StructValue,
    parameters: StructValue | None,
    walker: Walker,
    claimed: list[tuple[int, int]],
) -> list[HeapSegment]:
    """Return the main arena's stretches; none where it has never had memory. `claimed` are the [start, end) of the
    other arenas' heaps."""
    layout, top = walker.layout, arena["top"]
    if top in (0, initial_top(layout, arena)):
        return []
    stretches: list[HeapSegment] = []
    main = _MainArena(process, walker, arena, stretches)
    start = first_chunk(process, layout, arena, parameters)
    if start is not None:
        end = _brk_end(process, arena, start, top)
        _walk_brk(main, start, top if start <= top < end else end)
    by_brk = len(stretches)
    if walker.stopped:
        return stretches
    if not any(each.start <= top <= each.end for each in stretches):
        _walk_towards_top(main)
    for each in stretches:
        if each.end == top and each.walks and not each.interrupted:
            add_top(process, layout, each, arena, mapped_end(process, top))
    if arena["flags"] & NONCONTIGUOUS:
        _walk_older_mappings(main, by_brk, claimed)
    return stretches


def initial_top(layout: Layout, arena: StructValue) -> int:
    """Return what top holds before the first memory: the unsorted bin's header (initial_top)."""
    return arena.address + layout.malloc_state.offset("bins") - layout.header


def mapped_end(process: Process, address: int) -> int:
    """Return the end of what is mapped and writable without a hole from `address` on (several VMAs: an mprotect
    splits [heap])."""
    vma = process.address_space.find(address)
    end = address
    while vma is not None and (vma.writable or vma.path == "[heap]"):
        end = vma.end
        vma = process.address_space.find(end)
    return end


def add_top(process: Process, layout: Layout, stretch: HeapSegment, arena: StructValue, limit: int) -> None:
    """Add top's mark to the stretch that ends at it; a size that leaves [top, limit) or exceeds system_mem is a
    Fault."""
    top = arena["top"]
    try:
        raw = process.words.read(top + layout.pointer_size)
    except MemoryFault:
        stretch.faults.append(
            Fault(
                top,
                called("top_unreadable"),
                clause("arena_has_top", arena=Address(arena.address), top=Address(top)),
                Invariant.TOP_SIZE,
            )
        )
        return
    size = raw & ~FLAG_MASK
    room = max(limit - top, 0)
    if size > arena["system_mem"]:
        detail = clause("top_size_over_system_mem", held=raw, system_mem=arena["system_mem"])
        stretch.faults.append(Fault(top, dies_with("malloc(): corrupted top size"), detail, Invariant.TOP_SIZE))
    elif size > room or size < layout.min_size or (top + size) % process.page_size:
        # sysmalloc asserts the same: at least MINSIZE, and up to the end of a page.
        detail = clause("top_size_and_room", held=raw, room=room)
        stretch.faults.append(Fault(top, dies_with("malloc(): corrupted top size"), detail, Invariant.TOP_SIZE))
    kept = size if layout.header <= size <= room else room
    stretch.marks.append(Sentinel(top, kept, raw & FLAG_MASK, State.TOP))
    stretch.end = top + kept


def first_chunk(process: Process, layout: Layout, arena: StructValue, parameters: StructValue | None) -> int | None:
    """Return where the first chunk lies: by mp_.sbrk_base (which may be neither page-aligned nor the start of [heap]),
    else by [heap].

    An sbrk_base that is out of [heap], or does not fit system_mem where the start of [heap] does, is not believed.
    """
    # (Kernels before 6.6 give the bss that name, too, where the heap begins at its end, as without randomization.)
    heaps = [vma for vma in process.address_space if vma.path == "[heap]"]
    heap = heaps[0] if heaps else process.address_space.find(arena["top"])
    starts = {vma.start for vma in heaps}
    base = parameters["sbrk_base"] if parameters is not None else 0
    if heap is None:
        return first_chunk_after(base, layout) if base else None
    if not base:
        return first_chunk_after(heap.start, layout)
    start = _start_by_size(process, layout, arena)
    # where two say so, the mapping that a core's reader takes for [heap] (a bss that stands apart) says nothing against
    # it
    if process.page_of(base) in starts or not heaps or start == base:
        return first_chunk_after(base, layout)
    if start is not None and process.page_of(start) in starts:
        return first_chunk_after(start, layout)
    return first_chunk_after(base if any(base in vma for vma in heaps) else heap.start, layout)


def _start_by_size(process: Process, layout: Layout, arena: StructValue) -> int | None:
    """Return where a contiguous arena of system_mem bytes begins if it ends where top does; None where top cannot be
    read."""
    try:
        size = process.words.read(arena["top"] + layout.pointer_size) & ~FLAG_MASK
    except (MemoryFault, OverflowError):
        return None
    return int(arena["top"] + size - arena["system_mem"])


def _brk_end(process: Process, arena: StructValue, start: int, top: int) -> int:
    """Return how far the heap that brk gave reaches from `start`: as far as memory is mapped without a hole, or to
    top's mapping where a contiguous arena has had pages unmapped or protected in between."""
    end = mapped_end(process, start)
    if not start <= top < end and not arena["flags"] & NONCONTIGUOUS:
        vmas = [each for each in process.address_space if start < each.end and each.start <= top]
        holes = sum(max(after.start - before.end, 0) for before, after in zip(vmas, vmas[1:]))
        if vmas and top in vmas[-1] and holes <= _MOST_HOLES:
            return mapped_end(process, top)
    return end


def _walk_brk(main: _MainArena, start: int, limit: int) -> None:
    """Walk the brk heap from `start`; after fenceposts (somebody else moved brk) find where malloc's memory goes on."""
    at: int | None = start
    while at is not None and at <= limit and len(main.stretches) < _MOST_STRETCHES:
        stretch = walk_stretch(main.walker, main.process.page_of(at), at, limit)
        main.stretches.append(stretch)
        if not stretch.ended_at_fencepost or stretch.end >= limit:
            return
        at = find_trail(main.walker, stretch.end, limit, main.layout.alignment)
        if at is None and limit == main.arena["top"]:
            at = limit


def _walk_towards_top(main: _MainArena) -> None:
    """Walk the mapping that top lies in: brk failed, and the arena went on by mmap (at a page, but a merged VMA may
    begin before)."""
    top: int = main.arena["top"]
    vma = main.process.address_space.find(top)
    if vma is None or not vma.writable:
        fault = Fault(
            top, dies_with("malloc(): corrupted top size"), clause("top_unmapped", top=Address(top)), Invariant.TOP_SIZE
        )
        main.stretches.append(HeapSegment(top, top, top, faults=[fault]))
        return
    first = first_chunk_after(vma.start, main.layout)
    at = find_trail(main.walker, first, top, main.process.page_size)
    if at is None:
        at = top
    main.stretches.append(walk_stretch(main.walker, main.process.page_of(at), at, top))


def _walk_older_mappings(main: _MainArena, by_brk: int, claimed: list[tuple[int, int]]) -> None:
    """Find the mappings the main arena used before top's: they end in fenceposts, and may lie side by side in one VMA,
    with top's too.

    Looked for only while system_mem is not accounted for. The first `by_brk` stretches are those that brk gave.
    """
    stretches = main.stretches
    known = [(each.mapping, each.end) for each in stretches]
    for start, end in unclaimed_ranges(main.process, [*known, *claimed]):
        at: int | None = start
        while at is not None and at < end:
            missing = main.arena["system_mem"] - _extent(stretches, by_brk)
            if missing < main.process.page_size or len(stretches) >= _MOST_STRETCHES:
                return
            at = _walk_older_mapping(main, main.process.page_after(at), end)


def _walk_older_mapping(main: _MainArena, start: int, end: int) -> int | None:
    """Add the first of them in [start, end), and return from where to look on; None where there is none."""
    first = find_trail(main.walker, first_chunk_after(start, main.layout), end, main.process.page_size)
    if first is None:
        return None
    stretch = walk_stretch(main.walker, main.process.page_of(first), first, end)
    if not stretch.ended_at_fencepost or stretch.faults:
        return first + main.process.page_size
    main.stretches.append(stretch)
    return stretch.end


def _extent(stretches: list[HeapSegment], by_brk: int) -> int:
    """Return the bytes of the stretches as system_mem counts them: what others took by sbrk between two of them is
    in it."""
    brk = stretches[by_brk - 1].end - stretches[0].start if by_brk else 0
    return brk + sum(each.end - each.start for each in stretches[by_brk:])
