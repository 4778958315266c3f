"""Stretches: runs of chunks, walked, with what ended them; and finding the trail again where it was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from itertools import islice
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, State
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.repair.culprit import blame
from gdbheap.glibc.walk.walk import AT_LIMIT, BAD_SIZE, FENCEPOST, INTERRUPTED, UNREADABLE, Walk, Walker
from gdbheap.lazy import dataclass, np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault, called
from gdbheap.process.memory import Memory, Words, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The message of a header that no walk can go on from.
INVALID_SIZE = called("invalid_chunk_size")

BAD_FENCEPOST = called("fencepost_overwritten")

# How many places a lost trail is tried from, and how many chunks in a row make one believable that does not reach its
# end.
_MOST_TRIALS = 256
_BELIEVABLE = 16


@dataclass(frozen=True)
class Sentinel:
    """A row that no walk yields: top, a fencepost, or a gap that could not be read as chunks (UNKNOWN)."""

    address: int
    size: int
    flags: int
    state: State


@dataclass
class HeapSegment:
    """Chunks from `start` to `end` of one arena: the walks over it in order, and the marks between and behind them."""

    mapping: int
    start: int
    end: int
    walks: list[Walk] = field(default_factory=list)
    marks: list[Sentinel] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fact] = field(default_factory=list)
    interrupted: bool = False

    @property
    def ended_at_fencepost(self) -> bool:
        """Whether malloc closed the stretch itself, to go on elsewhere."""
        return bool(self.walks) and self.walks[-1].why == FENCEPOST


def walk_stretch(walker: Walker, mapping: int, start: int, limit: int, closed: bool = False) -> HeapSegment:
    """Walk from the chunk at `start` to `limit` (top, or the heap's end), over corrupt headers where the trail can be
    found again.

    `closed`: the heap is known to end with fenceposts at `limit`, as non-main heaps do that malloc has left.
    """
    memory, layout = walker.memory, walker.layout
    stretch = HeapSegment(mapping, start, start)
    at = start
    while True:
        walk = walker.walk(at, limit)
        stretch.walks.append(walk)
        stretch.end = walk.end
        if walk.why == AT_LIMIT:
            first = last_fencepost(layout, limit) - layout.header
            if closed and len(walk.raw) and int(walk.address[-1]) >= first:
                detail = clause("fenceposts_expected", held=int(walk.raw[-1]), first=Address(first))
                stretch.faults.append(Fault(int(walk.address[-1]), BAD_FENCEPOST, detail, Invariant.FENCEPOST))
            return stretch
        if walk.why == INTERRUPTED:
            stretch.interrupted = True
            return stretch
        if walk.why == FENCEPOST and _close(stretch, memory, layout, limit, closed):
            return stretch
        if closed and _closed_by_a_wide_one(walk, layout, limit):
            _close_wide(stretch, layout)
            return stretch
        if closed and walk.why in (BAD_SIZE, FENCEPOST) and walk.end == last_fencepost(layout, limit) - layout.header:
            _close_anyway(stretch, memory, layout)
            return stretch
        resumed = _resume(walker, walk.end, limit)
        until = limit if resumed is None else resumed
        if walk.why in (BAD_SIZE, FENCEPOST):
            walk, until = blame(memory, layout, walk, until)
            stretch.walks[-1] = walk
            resumed = None if until == limit else until
        stretch.marks.append(Sentinel(walk.end, until - walk.end, walk.raw_at_end & FLAG_MASK, State.UNKNOWN))
        _tell(stretch, walk, layout, resumed, until)
        stretch.end = until
        if resumed is None:
            return stretch
        at = resumed


def _tell(stretch: HeapSegment, walk: Walk, layout: Layout, resumed: int | None, until: int) -> None:
    """Add what was lost, as a note (unreadable memory) or a Fault (a size that cannot be)."""
    went_on = (
        clause("no_chunks_up_to", end=Address(until))
        if resumed is None
        else clause("walk_resumes", at=Address(resumed))
    )
    if walk.why == UNREADABLE:
        stretch.notes.append(clause("memory_at_unreadable", address=Address(walk.end), then=went_on))
        return
    size = walk.raw_at_end & ~FLAG_MASK
    if size < layout.min_size:
        why = clause("size_too_small", least=layout.min_size, then=went_on)
    elif size % layout.alignment:
        why = clause("size_misaligned", alignment=layout.alignment, then=went_on)
    elif resumed is not None and walk.end + size != resumed:
        why = clause("size_leads_astray", end=Address(walk.end + size), then=went_on)
    else:
        why = clause("size_too_large", end=Address(walk.end + size), then=went_on)
    detail = clause("size_field_is", held=walk.raw_at_end, why=why)
    stretch.faults.append(Fault(walk.end, INVALID_SIZE, detail, Invariant.CHUNK_SIZE, why))


def _close(stretch: HeapSegment, memory: Memory, layout: Layout, limit: int, closed: bool) -> bool:
    """Sentinel the two fenceposts that sysmalloc leaves behind; False where the second is missing: then it was a
    corrupt size."""
    first = stretch.end
    words = Words(memory, layout.pointer_size)
    try:
        raw, second = words.read(first + layout.pointer_size), words.read(first + layout.header + layout.pointer_size)
    except MemoryFault:
        return False
    # Main arena: two headers of size 2P. Other heaps: the second has size 0 (mirrors sysmalloc).
    if second & ~FLAG_MASK not in (0, layout.header) or not second & 1 or (closed and second != 1):
        return False
    for address, word in ((first, raw), (first + layout.header, second)):
        stretch.marks.append(Sentinel(address, layout.header, word & FLAG_MASK, State.FENCEPOST))
    stretch.end = first + 2 * layout.header
    return stretch.end <= limit


def _closed_by_a_wide_one(walk: Walk, layout: Layout, limit: int) -> bool:
    """Whether the walk's last chunk is the first fencepost: where a third header was left of top beside those of the
    two, the first is as large as two of them (mirrors sysmalloc)."""
    at_last = walk.why == BAD_SIZE and walk.end == last_fencepost(layout, limit) and walk.raw_at_end == 1
    return at_last and len(walk.raw) > 0 and int(walk.raw[-1]) == 2 * layout.header | 1


def _close_wide(stretch: HeapSegment, layout: Layout) -> None:
    """Sentinel the two fenceposts of which a walk took the first for a chunk."""
    end = stretch.end
    posts = replace(stretch.walks[-1].cut(len(stretch.walks[-1].raw) - 1), why=FENCEPOST)
    stretch.walks[-1] = posts
    stretch.marks.append(Sentinel(posts.end, 2 * layout.header, posts.raw_at_end & FLAG_MASK, State.FENCEPOST))
    stretch.marks.append(Sentinel(end, layout.header, 1, State.FENCEPOST))
    stretch.end = end + layout.header


def last_fencepost(layout: Layout, end: int) -> int:
    """Return the address of the second fencepost of a non-main heap that ends at `end` (mirrors sysmalloc: both are
    aligned as chunks)."""
    return (end - layout.header) & -layout.alignment


def _close_anyway(stretch: HeapSegment, memory: Memory, layout: Layout) -> None:
    """Sentinel the fenceposts where they must be, with a Fault for each of which the size is none of theirs."""
    words = Words(memory, layout.pointer_size)
    for address, right in ((stretch.end, layout.header), (stretch.end + layout.header, 0)):
        raw = words.read(address + layout.pointer_size)
        if raw & ~FLAG_MASK != right or (not right and raw != 1):
            detail = clause("fencepost_sizes", held=raw, first=layout.header)
            stretch.faults.append(Fault(address, BAD_FENCEPOST, detail, Invariant.FENCEPOST))
        stretch.marks.append(Sentinel(address, layout.header, raw & FLAG_MASK, State.FENCEPOST))
    stretch.end += 2 * layout.header


def _resume(walker: Walker, lost: int, limit: int) -> int | None:
    """Return where the chunks go on after the corrupt header at `lost`, or None."""
    step = walker.layout.alignment
    return find_trail(walker, lost + step, limit, step)


def find_trail(walker: Walker, start: int, limit: int, step: int) -> int | None:
    """Return the first address from `start` on, by `step`, whose chunks lead exactly to `limit`, or to fenceposts;
    failing that, the first that leads over at least 16 chunks. None where there is none in the first few hundred
    plausible ones."""
    believable = None
    for candidate in islice(_plausible_headers(walker, start, limit, step), _MOST_TRIALS):
        walk = walker.walk(candidate, limit)
        if (walk.why == AT_LIMIT and walk.end == limit) or (walk.why == FENCEPOST and len(walk.raw)):
            return candidate
        if believable is None and len(walk.raw) >= _BELIEVABLE and walk.why in (BAD_SIZE, UNREADABLE):
            believable = candidate
    return believable


def _plausible_headers(walker: Walker, start: int, limit: int, step: int) -> Iterator[int]:
    """Yield, in order, the addresses start + n * step whose size word could be a chunk's that ends by `limit`."""
    layout = walker.layout
    word_type = np.dtype(f"u{layout.pointer_size}")
    for address, data in readable_pieces(walker.memory, start, limit):
        usable = len(data) // layout.pointer_size * layout.pointer_size
        first = -(address - start) % step
        words = np.frombuffer(data, word_type, usable // layout.pointer_size)
        sizes = words[(first + layout.pointer_size) // layout.pointer_size :: step // layout.pointer_size].astype(
            np.uint64
        )
        where = address + first + np.arange(len(sizes), dtype=np.int64) * step
        yield from where[plausible_sizes(sizes, where, limit, layout)].tolist()


def plausible_sizes(raw: NDArray[np.uint64], where: NDArray[np.int64], limit: int, layout: Layout) -> NDArray[np.bool_]:
    """Return which size words could be those of heap chunks at `where` that end by `limit`."""
    size = raw & np.uint64(0xFFFF_FFFF_FFFF_FFF8)
    room = (limit - where).astype(np.uint64)
    aligned = (size & np.uint64(layout.alignment - 1)) == 0
    in_heap = (raw & np.uint64(IS_MMAPPED)) == 0
    plausible: NDArray[np.bool_] = aligned & in_heap & (size >= np.uint64(layout.min_size)) & (size <= room)
    return plausible
