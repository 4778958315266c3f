"""Mmapped chunks: each has a mapping of its own, and no list names them; they are found by their headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.malloc.arena import first_chunk_after
from gdbheap.malloc.chunk_table import FLAG_MASK, IS_MMAPPED
from gdbheap.malloc.layout import Layout
from gdbheap.process.address_space import VMA
from gdbheap.process.cstruct import StructValue
from gdbheap.process.memory import PAGE, readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MmappedChunk:
    """`address` and `size` as in the header (flags off); the mapping is [start, end)."""

    address: int
    size: int
    start: int
    end: int


def find_mmapped(
    process: Process, layout: Layout, parameters: StructValue | None, claimed: list[tuple[int, int]]
) -> tuple[list[MmappedChunk], tuple[str, ...]]:
    """Return the mmapped chunks in address order, and a note where they are not those that mp_ counts.

    `claimed` are the [start, end) of the arenas' heaps, where none can be.
    """
    count = parameters["n_mmaps"] if parameters is not None else None
    total = parameters["mmapped_mem"] if parameters is not None else None
    if count == 0:
        return [], ()
    found: list[MmappedChunk] = []
    for search in (_at_page_starts, _anywhere):
        for start, end in _free_ranges(process, claimed + [(each.start, each.end) for each in found]):
            found += search(process, layout, start, end)
        found.sort(key=lambda each: each.address)
        if count is None or len(found) >= count:
            break
    length = sum(each.end - each.start for each in found)
    if count is None:
        return found, (
            f"{len(found)} mmapped chunks found by their headers; mp_ is not known, so none of them is certain",
        )
    if (len(found), length) != (count, total):
        note = f"{len(found)} mmapped chunks of {length:#x} bytes found by their headers, but mp_ counts {count} of {total:#x}"
        return found, (note,)
    return found, ()


def _free_ranges(process: Process, claimed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the writable private anonymous ranges that nobody has claimed."""
    ranges = []
    claimed = sorted(claimed)
    for vma in process.address_space:
        if not _may_hold_chunks(vma):
            continue
        at = vma.start
        for start, end in claimed:
            if end <= at or start >= vma.end:
                continue
            if start > at:
                ranges.append((at, start))
            at = max(at, end)
        if at < vma.end:
            ranges.append((at, vma.end))
    return ranges


def _may_hold_chunks(vma: VMA) -> bool:
    """Whether mmap(MAP_PRIVATE | MAP_ANONYMOUS) could have made this VMA; MAP_HUGETLB gives it a file's name."""
    if not (vma.readable and vma.writable) or vma.shared:
        return False
    return (not vma.path and not vma.inode) or vma.path.startswith(("[anon:", "/anon_hugepage"))


def _at_page_starts(process: Process, layout: Layout, start: int, end: int) -> list[MmappedChunk]:
    """Find chunks that begin where their mapping does, one after another; their interior is not read."""
    found = []
    at = -(-start // PAGE) * PAGE
    while at < end:
        chunk = _chunk_at(process, layout, at, end)
        if chunk is None:
            at = _next_candidate(process, layout, at + PAGE, end)
        else:
            found.append(chunk)
            at = chunk.end
    return found


def _chunk_at(process: Process, layout: Layout, mapping: int, end: int) -> MmappedChunk | None:
    """Return the chunk whose mapping starts at `mapping`, or None."""
    address = first_chunk_after(mapping, layout)
    try:
        prev_size, raw = process.words.read_many(address, 2)
    except MemoryFault:
        return None
    return _decode(layout, address, prev_size, raw, mapping, end)


def _decode(layout: Layout, address: int, prev_size: int, raw: int, start: int, end: int) -> MmappedChunk | None:
    """Return the chunk if its header is one of a chunk whose mapping lies in [start, end) (mirrors munmap_chunk's checks)."""
    size, before = raw & ~FLAG_MASK, prev_size & ~1
    if raw & FLAG_MASK != IS_MMAPPED or size < layout.min_size or size % layout.header:
        return None
    mapping = address - before
    overheads = (0, 2 * layout.word) if layout.mmapped_overhead is None else (layout.mmapped_overhead,)
    for overhead in overheads:
        length = before + size + overhead
        if mapping % PAGE == 0 and length % PAGE == 0 and start <= mapping and mapping + length <= end:
            return MmappedChunk(address, size, mapping, mapping + length)
    return None


def _next_candidate(process: Process, layout: Layout, at: int, end: int) -> int:
    """Return the next page from `at` on whose first chunk header has IS_MMAPPED alone, or `end`."""
    offset = first_chunk_after(at, layout) - at + layout.word
    for address, words in _pieces(process, layout, at, end):
        first = -address % PAGE + offset
        flags = words[first // layout.word :: PAGE // layout.word] & FLAG_MASK
        hits = np.flatnonzero(flags == IS_MMAPPED)
        if len(hits):
            return address + -address % PAGE + int(hits[0]) * PAGE
    return end


def _anywhere(process: Process, layout: Layout, start: int, end: int) -> list[MmappedChunk]:
    """Find chunks that begin later than their mapping: memalign left `prev_size` bytes before them."""
    found: list[MmappedChunk] = []
    for address, words in _pieces(process, layout, start, end):
        step = layout.alignment // layout.word
        first = (first_chunk_after(address, layout) - address) // layout.word
        prev_sizes = words[first::step].astype(np.int64)
        raws = words[first + 1 :: step].astype(np.int64)
        prev_sizes = prev_sizes[: len(raws)]
        where = address + first * layout.word + np.arange(len(raws), dtype=np.int64) * layout.alignment
        mapping = where - (prev_sizes & ~1)
        hits = (raws & FLAG_MASK == IS_MMAPPED) & (mapping % PAGE == 0) & (mapping >= start) & (raws > 0)
        for row in np.flatnonzero(hits).tolist():
            chunk = _decode(layout, int(where[row]), int(prev_sizes[row]), int(raws[row]), start, end)
            if chunk is not None and (not found or chunk.start >= found[-1].end):
                found.append(chunk)
    return found


def _pieces(process: Process, layout: Layout, start: int, end: int) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield what can be read of [start, end) as (address, words)."""
    word_type = np.dtype(np.uint64 if layout.word == 8 else np.uint32)
    for address, data in readable_pieces(process.memory, start, end):
        yield address, np.frombuffer(data, word_type, len(data) // layout.word)
