"""Mmapped chunks: each has a mapping of its own, and no list names them; they are found by their headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.glibc.aligned_inside import inner_headers
from gdbheap.glibc.arena import first_chunk_after
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.repair.unclaimed import UnclaimedRange, unclaimed_stretches
from gdbheap.lazy import dataclass, np
from gdbheap.process.clause import clause
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fact import Fact
from gdbheap.process.live.touched import touched_spans
from gdbheap.process.memory import Words, readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many that lie one behind the other are sooner looked into together.
_MANY = 64


@dataclass(frozen=True)
class MmappedChunk:
    """`address` and `size` as in the header (flags off); the mapping is [start, end)."""

    address: int
    size: int
    start: int
    end: int


def find_mmapped(
    process: Process, layout: Layout, parameters: StructValue | None, claimed: list[tuple[int, int]]
) -> tuple[list[MmappedChunk], tuple[Fact, ...]]:
    """Return the mmapped chunks in address order, and a note where they are not those that mp_ counts.

    `claimed` are the [start, end) of the arenas' heaps, where none can be.
    """
    count = parameters["n_mmaps"] if parameters is not None else None
    total = parameters["mmapped_mem"] if parameters is not None else None
    if count == 0 and (total or 0) < process.page_size:
        return [], ()
    found: list[MmappedChunk] = []
    for search in (_at_the_start, _at_page_starts, _anywhere):
        reached = 0
        stretches = unclaimed_stretches(process, claimed + [(each.start, each.end) for each in found])
        for each in _those_that_begin_so(process, layout, stretches) if search is _at_the_start else stretches:
            if reached < each.end:
                here = search(process, layout, UnclaimedRange(max(each.start, reached), each.end, each.limit))
                reached = here[-1].end if here else reached
                found += here
        found.sort(key=lambda each: each.address)
        all_found = len(found) == count and total is not None and 0 <= _excess(layout, found, total) < process.page_size
        # Those that begin a range are found without reading it; only if they are not all that mp_ counts are the others
        # looked for.
        if all_found or (search is not _at_the_start and (count is None or len(found) >= count)):
            break
    if total is not None and not 0 <= _excess(layout, found, total) < process.page_size:
        found = _look_inside(process, layout, claimed, found)
    length = sum(each.end - each.start for each in found)
    if count is None:
        return found, (clause("mmapped_without_mp", count=len(found)),)
    if len(found) != count or total is None or _excess(layout, found, total) < 0:
        return found, (clause("mmapped_not_as_counted", count=len(found), bytes=length, counted=count, total=total),)
    return found, ()


def _excess(layout: Layout, found: list[MmappedChunk], total: int) -> int:
    """Return by how much mp_.mmapped_mem exceeds what was found; negative where it cannot be the sum of these mappings.

    From glibc 2.43 on each mremap adds two words too many to it (seen on live processes), so that only whole pages
    tell.
    """
    excess = total - sum(each.end - each.start for each in found)
    drift = layout.mmapped_overhead
    return 0 if drift == 0 and excess == 0 else excess if drift and excess % drift == 0 else -1


def _look_inside(
    process: Process, layout: Layout, claimed: list[tuple[int, int]], found: list[MmappedChunk]
) -> list[MmappedChunk]:
    """Return the chunks with those replaced whose header at the start of the mapping is a left-over: memalign made
    the true one for an alignment of pages, and mremap has since moved or resized it."""
    chunks = []
    for stretch in unclaimed_stretches(process, claimed):
        here = [each for each in found if stretch.start <= each.start < stretch.end]
        limits = [*(each.start for each in here[1:]), stretch.limit]
        for each, limit in zip(here, limits):
            chunks.append(_at_page_end(process, layout, each, limit) or each)
    return chunks


def _at_page_end(process: Process, layout: Layout, outer: MmappedChunk, end: int) -> MmappedChunk | None:
    """Return the chunk of the same mapping whose mem is at the start of a page, or None."""
    header = (process.page_size - layout.header) // layout.pointer_size
    for address, words in _pieces(process, layout, outer.start, end):
        prev_sizes, raws = (
            words[header :: process.page_size // layout.pointer_size],
            words[header + 1 :: process.page_size // layout.pointer_size],
        )
        for page in np.flatnonzero(raws & FLAG_MASK == IS_MMAPPED).tolist():
            at = address + page * process.page_size + process.page_size - layout.header
            chunk = _decode(layout, at, int(prev_sizes[page]), int(raws[page]), (outer.start, end))
            if chunk is not None and chunk.start == outer.start:
                return chunk
    return None


def _those_that_begin_so(process: Process, layout: Layout, stretches: list[UnclaimedRange]) -> Iterator[UnclaimedRange]:
    """Yield the stretches whose first page may begin with such a chunk: their headers are read together."""
    at = [first_chunk_after(process.page_after(each.start), layout) for each in stretches]
    raw = gather_words(process.memory, layout.pointer_size, np.array(at, np.uint64), 2)[:, 1]
    may_begin = raw & np.uint64(FLAG_MASK) == np.uint64(IS_MMAPPED)
    yield from (each for each, good in zip(stretches, may_begin.tolist()) if good)


def _at_the_start(process: Process, layout: Layout, stretch: UnclaimedRange) -> list[MmappedChunk]:
    """Find the chunks that fill the front of the stretch, one after another."""
    outer = _one_after_another(process, layout, stretch, _outer_at)
    if len(outer) >= _MANY and not _may_have_inner(process, layout, outer):
        return outer
    return _one_after_another(process, layout, stretch, _chunk_at)


def _one_after_another(
    process: Process,
    layout: Layout,
    stretch: UnclaimedRange,
    find: Callable[[Process, Layout, int, int], MmappedChunk | None],
) -> list[MmappedChunk]:
    found: list[MmappedChunk] = []
    at = process.page_after(stretch.start)
    while at < stretch.limit and (chunk := find(process, layout, at, stretch.limit)) is not None:
        found.append(chunk)
        at = chunk.end
    return found


def _outer_at(process: Process, layout: Layout, mapping: int, end: int) -> MmappedChunk | None:
    """Return the chunk whose header is at the start of the mapping, or None."""
    address = first_chunk_after(mapping, layout)
    try:
        prev_size, raw = process.words.read_many(address, 2)
    except MemoryFault:
        return None
    return _decode(layout, address, prev_size, raw, (mapping, end))


def _may_have_inner(process: Process, layout: Layout, outer: list[MmappedChunk]) -> bool:
    """Whether memalign may have made another chunk of any of these."""
    address, start, end = (
        np.array([getattr(each, name) for each in outer], np.uint64) for name in ("address", "start", "end")
    )
    inner = inner_headers(process.memory, layout, address, (start, end), with_second=True)
    good = (inner.raw & np.uint64(FLAG_MASK) == np.uint64(IS_MMAPPED)) & (inner.address != address[inner.row])
    return bool(np.any(good & (inner.address - (inner.prev_size & ~np.uint64(1)) == start[inner.row])))


def _at_page_starts(process: Process, layout: Layout, stretch: UnclaimedRange) -> list[MmappedChunk]:
    """Find chunks that begin where their mapping does, one after another; their interior is not read."""
    found = []
    at = process.page_after(stretch.start)
    while at < stretch.end:
        chunk = _chunk_at(process, layout, at, stretch.limit)
        if chunk is None:
            at = _next_candidate(process, layout, at + process.page_size, stretch.end)
        else:
            found.append(chunk)
            at = chunk.end
    return found


def _chunk_at(process: Process, layout: Layout, mapping: int, end: int) -> MmappedChunk | None:
    """Return the chunk whose mapping starts at `mapping`, or None."""
    address, words = first_chunk_after(mapping, layout), process.words
    index = (address - mapping) // layout.pointer_size
    page = _front(words, mapping, (layout.page_size // layout.pointer_size, index + 2))
    if page is None:
        return None
    outer = _decode(layout, address, page[index], page[index + 1], (mapping, end))
    return outer and (_aligned_inside(words, layout, (outer, page), end) or outer)


def _front(words: Words, mapping: int, counts: tuple[int, ...]) -> memoryview | None:
    """Return the first words of a mapping, the first of the counts that can be read: most of the places where a header
    may be lie in the first page, which is read once."""
    for count in counts:
        try:
            return words.read_many(mapping, count)
        except MemoryFault:
            pass
    return None


def _aligned_inside(
    words: Words, layout: Layout, known: tuple[MmappedChunk, memoryview], end: int
) -> MmappedChunk | None:
    """Return the chunk that memalign made of the one at the start of its mapping, whose first page is known, or None:
    the first header stays there as it was.

    Mirrors _int_memalign: the aligned mem for which at least MINSIZE lies before the chunk (since glibc 2.43:
    whatever lies before); its prev_size tells how much.
    """
    (outer, page), size = known, layout.pointer_size
    for address in _aligned_places(layout, outer):
        index = (address - outer.start) // size
        try:
            prev_size, raw = page[index : index + 2] if index + 2 <= len(page) else words.read_many(address, 2)
        except MemoryFault:
            continue
        if address != outer.address and address - (prev_size & ~1) == outer.start:
            found = _decode(layout, address, prev_size, raw, (outer.start, end))
            if found is not None:
                return found
    return None


def _aligned_places(layout: Layout, outer: MmappedChunk) -> Iterator[int]:
    """Yield where a chunk that memalign made of this one may be, by ascending alignment: inside of it, for its header
    is as it was when malloc made it, whatever mremap has done since."""
    alignment, header, least = 2 * layout.alignment, layout.header, layout.min_size
    while alignment < outer.end - outer.start:
        first = -(-(outer.address + header) // alignment) * alignment - header
        yield first
        if first - outer.address < least:
            yield first + alignment
        alignment *= 2


def _decode(layout: Layout, address: int, prev_size: int, raw: int, within: tuple[int, int]) -> MmappedChunk | None:
    """Return the chunk if its header is one of a chunk whose mapping lies `within` [start, end) (mirrors
    munmap_chunk's checks)."""
    size, before = raw & ~FLAG_MASK, prev_size & ~1
    if raw & FLAG_MASK != IS_MMAPPED or size < layout.min_size or size % layout.header:
        return None
    mapping = address - before
    overheads = (0, 2 * layout.pointer_size) if layout.mmapped_overhead is None else (layout.mmapped_overhead,)
    for overhead in overheads:
        length = before + size + overhead
        if (
            mapping % layout.page_size == 0
            and length % layout.page_size == 0
            and within[0] <= mapping
            and mapping + length <= within[1]
        ):
            return MmappedChunk(address, size, mapping, mapping + length)
    return None


def _next_candidate(process: Process, layout: Layout, at: int, end: int) -> int:
    """Return the next page from `at` on whose first chunk header has IS_MMAPPED alone, or `end`."""
    offset = first_chunk_after(at, layout) - at + layout.pointer_size
    for address, words in _pieces(process, layout, at, end):
        first = -address % process.page_size + offset
        flags = words[first // layout.pointer_size :: process.page_size // layout.pointer_size] & FLAG_MASK
        hits = np.flatnonzero(flags == IS_MMAPPED)
        if len(hits):
            return address + -address % process.page_size + int(hits[0]) * process.page_size
    return end


def _anywhere(process: Process, layout: Layout, stretch: UnclaimedRange) -> list[MmappedChunk]:
    """Find chunks that begin later than their mapping: memalign left `prev_size` bytes before them."""
    found: list[MmappedChunk] = []
    for address, words in _pieces(process, layout, stretch.start, stretch.end):
        step = layout.alignment // layout.pointer_size
        first = (first_chunk_after(address, layout) - address) // layout.pointer_size
        prev_sizes = words[first::step].astype(np.uint64)
        raws = words[first + 1 :: step].astype(np.uint64)
        prev_sizes = prev_sizes[: len(raws)]
        ahead = np.arange(len(raws), dtype=np.uint64) * np.uint64(layout.alignment)
        where = ahead + np.uint64(address + first * layout.pointer_size)
        mapping = where - (prev_sizes & ~np.uint64(1))
        hits = (
            (raws & np.uint64(FLAG_MASK) == IS_MMAPPED)
            & (mapping & np.uint64(process.page_size - 1) == 0)
            & (mapping >= np.uint64(stretch.start))
            & (mapping <= where)  # (A difference below zero is a large number.)
        )
        for row in np.flatnonzero(hits).tolist():
            chunk = _decode(
                layout, int(where[row]), int(prev_sizes[row]), int(raws[row]), (stretch.start, stretch.limit)
            )
            if chunk is not None and (not found or chunk.start >= found[-1].end):
                found.append(chunk)
    return found


def _pieces(process: Process, layout: Layout, start: int, end: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield what can be read, and was ever touched, of [start, end) as (address, words)."""
    word_type = np.dtype(f"u{layout.pointer_size}")
    for low, high in touched_spans(process, _readable(process, start, end)):
        for address, data in readable_pieces(process.memory, low, high):
            yield address, np.frombuffer(data, word_type, len(data) // layout.pointer_size)


def _readable(process: Process, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield what may be read of [start, end), mapping by mapping."""
    for vma in process.address_space.overlapping(start, end):
        if vma.readable:
            yield max(vma.start, start), min(vma.end, end)
