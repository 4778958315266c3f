"""Checks of the mmapped chunks: each header tells of whole pages, and all of them are what mp_ counts."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.check_parameters import of_mp
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Violation, WrongField, exactly, number
from gdbheap.errors import MemoryFault
from gdbheap.glibc.aligned_inside import InnerHeaders, inner_headers
from gdbheap.glibc.arena import first_chunk_after
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, MMAPPED_ARENA, ChunkTable
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.repair.unclaimed import unclaimed_ranges
from gdbheap.lazy import dataclass, np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fault import called, dies_with

_CALL = clause("free_realloc_block_munmap_chunk_invalid")
# So many pages of unclaimed memory are looked at for the header of a chunk that is missing.
_MOST_PAGES = 1 << 16


@dataclass(frozen=True)
class _Mapping:
    """An mmapped chunk at `address`, and [start, end) as its header tells, of which prev_size is `held`."""

    address: int
    start: int
    end: int
    held: int


def check_mmapped(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield mmapped chunks with broken headers, and the counters of mp_ that do not fit what is there."""
    mp = heap.view.parameters
    table = heap.table.take(np.flatnonzero(heap.table.arena == MMAPPED_ARENA))
    inner = _inner_headers(heap, table)
    known = list(_mappings(heap, table, inner))
    for each in known:
        yield from _check_huge_flag(heap, each)
    yield from _check_aligned(heap, table, inner)
    if mp is None or mp["n_mmaps"] > mp["max_n_mmaps"] or mp["mmapped_mem"] > mp["max_mmapped_mem"]:
        return
    missing = mp["n_mmaps"] - len(known)
    lacking = mp["mmapped_mem"] - sum(each.end - each.start for each in known)
    drift = heap.layout.mmapped_overhead or 0
    if drift and 0 <= lacking < heap.process.page_size and lacking % drift == 0:
        lacking = 0  # from glibc 2.43 each mremap adds two words too many
    if (missing or lacking) and (not lacking or _all_readable(heap)):
        yield from _unaccounted(heap, mp, known, missing, lacking)


def _inner_headers(heap: CheckedHeap, table: ChunkTable) -> InnerHeaders:
    """Return the chunks' headers, and what stands where memalign may have made others of them, read together."""
    page = np.uint64(heap.layout.page_size)
    ends = table.address // page * page, table.address + table.size + np.uint64(heap.layout.mmapped_overhead or 0)
    return inner_headers(heap.process.memory, heap.layout, table.address, ends, with_second=False)


def _mappings(heap: CheckedHeap, table: ChunkTable, inner: InnerHeaders) -> Iterator[_Mapping]:
    """Yield the chunks whose headers can be read."""
    overhead = heap.layout.mmapped_overhead or 0
    own = inner.address == table.address[inner.row]
    held = dict(zip(inner.address[own].tolist(), inner.prev_size[own].tolist()))
    for address, size in zip(table.address.tolist(), table.size.tolist()):
        if address in held:
            yield _Mapping(address, address - (held[address] & ~1), address + size + overhead, held[address])


def _check_huge_flag(heap: CheckedHeap, each: _Mapping) -> Iterator[Finding]:
    """Bit 0 of prev_size says that the chunk has huge pages (glibc 2.43): there are none unless mp_ says how large
    they are."""
    mp, held = heap.view.parameters, each.held
    if held & 1 and mp is not None and not mp.get("hp_pagesize"):
        call = clause("free_realloc_takes_one_huge_pages")
        why = clause("bit_0_says_huge_pages_mp_")
        message = called("mmapped_prev_size_wrong")
        yield Violation(Invariant.MMAPPED_HEADER, message, exactly(held & ~1), call, why).at(
            each.address, WrongField("prev_size", each.address, held), MMAPPED_ARENA
        )


def _check_aligned(heap: CheckedHeap, table: ChunkTable, inner: InnerHeaders) -> Iterator[Finding]:
    """memalign leaves the header at the start of the mapping as it was; the chunk that it made further in may have
    only one good word left."""
    layout, page = heap.layout, np.uint64(heap.layout.page_size)
    outer = table.address[inner.row]
    start, end = outer // page * page, outer + table.size[inner.row]
    is_first = outer - start == np.uint64(first_chunk_after(layout.page_size, layout) - layout.page_size)
    own = is_first & (inner.address == outer) & (inner.prev_size & ~np.uint64(1) == outer - start)
    begins_there = np.zeros(len(table), np.bool_)
    begins_there[inner.row[own]] = True
    offset, whole = inner.address - start, end - inner.address | np.uint64(IS_MMAPPED)
    asked = begins_there[inner.row] & (inner.address != outer)
    asked &= inner.address < end + np.uint64(layout.mmapped_overhead or 0)
    for at in np.flatnonzero(asked & ((inner.prev_size == offset) != (inner.raw == whole))).tolist():
        if inner.prev_size[at] == offset[at]:
            words = "size", int(inner.raw[at]), int(whole[at])
        else:
            words = "prev_size", int(inner.prev_size[at]), int(offset[at])
        yield _header(heap, int(inner.address[at]), *words)


def _header(heap: CheckedHeap, address: int, field: str, held: int, good: int) -> Finding:
    where = address + (heap.layout.pointer_size if field == "size" else 0)
    why = clause("chunk_aligned_mapping_other_word_header")
    message = dies_with("munmap_chunk(): invalid pointer")
    return Violation(Invariant.MMAPPED_HEADER, message, exactly(good), _CALL, why).at(
        address, WrongField(field, where, held), MMAPPED_ARENA
    )


def _unaccounted(
    heap: CheckedHeap, mp: StructValue, known: list[_Mapping], missing: int, lacking: int
) -> Iterator[Finding]:
    """Tell which of the counters or headers is wrong, where the chunks that are there are not those of mp_."""
    call = clause("none_counters_mallinfo_limit_mmapped")
    over = _over_others(heap, known, missing, lacking) if missing > 0 else None
    if over is not None:
        yield over
    elif not lacking:
        why = clause("those_have_all_bytes_mmapped_mem")
        yield of_mp(mp, "n_mmaps", number(len(known)), call, why)
    elif missing == 0:
        wrong = _wrong_length(heap, known, lacking)
        if wrong is not None:
            yield wrong
        else:
            total = mp["mmapped_mem"] - lacking
            yield of_mp(mp, "mmapped_mem", exactly(total), call, clause("mmapped_chunks_have_much", count=len(known)))
    elif missing == 1 and lacking >= heap.process.page_size and lacking % heap.process.page_size == 0:
        found = _overwritten(heap, known, lacking)
        if found is not None:
            yield found


def _wrong_length(heap: CheckedHeap, known: list[_Mapping], lacking: int) -> Finding | None:
    """Return the Finding of the one chunk whose mapping would fit what is mapped if its size were right, or None."""
    starts = sorted(each.start for each in known)
    for each in known:
        vma = heap.process.address_space.find(each.start)
        if vma is None:
            continue
        limit = min([vma.end, *(start for start in starts if start > each.start)])
        if each.end != limit and each.end + lacking == limit:
            raw = heap.words.read(each.address + heap.layout.pointer_size)
            good = raw + lacking
            why = clause("mapping_goes_mp__mmapped_mem_counts", limit=Address(limit))
            where, message = each.address + heap.layout.pointer_size, called("mmapped_size_wrong")
            call = clause("free_realloc_unmaps_too_little_too")
            return Violation(Invariant.MMAPPED_SIZE, message, exactly(good), call, why).at(
                each.address, WrongField("size", where, raw), MMAPPED_ARENA
            )
    return None


def _over_others(heap: CheckedHeap, known: list[_Mapping], missing: int, lacking: int) -> Finding | None:
    """Return the Finding of a chunk whose size covers the mmapped chunks behind it, up to what mp_ counts, or None."""
    layout, step = heap.layout, heap.process.page_size
    for each in known:
        for page in range(each.start + step, min(each.end, each.start + _MOST_PAGES * step), step):
            chunks = _chain(heap, page, missing)
            # What the chain has, less what this one claims too much, is what is lacking.
            if len(chunks) == missing and sum(e - s for s, e in chunks) - (each.end - page) == lacking:
                where, raw = each.address + layout.pointer_size, heap.words.read(each.address + layout.pointer_size)
                why = clause("mmapped_chunk_begins_all_mp__counts", page=Address(page))
                message, call = called("mmapped_size_wrong"), clause("free_realloc_unmaps_blocks_behind_too")
                good = exactly(raw - (each.end - page))
                return Violation(Invariant.MMAPPED_SIZE, message, good, call, why).at(
                    each.address, WrongField("size", where, raw), MMAPPED_ARENA
                )
    return None


def _chain(heap: CheckedHeap, page: int, most: int) -> list[tuple[int, int]]:
    """Return [start, end) of the mmapped chunks that begin one behind the other from `page` on, at most `most`."""
    found: list[tuple[int, int]] = []
    while len(found) < most:
        address = first_chunk_after(page, heap.layout)
        try:
            prev_size, raw = heap.words.read_many(address, 2)
        except MemoryFault:
            break
        end = address + (raw & ~FLAG_MASK) + (heap.layout.mmapped_overhead or 0)
        is_one = raw & FLAG_MASK == IS_MMAPPED and prev_size & ~1 == address - page
        if not is_one or end % heap.process.page_size or end <= page:
            break
        found.append((page, end))
        page = end
    return found


def _overwritten(heap: CheckedHeap, known: list[_Mapping], length: int) -> Finding | None:
    """Return the Finding of the chunk with a mapping of `length` bytes whose header is not one: of all pages where
    it has room, the one that most looks like it."""
    layout = heap.layout
    claimed = [(region.mapping, region.end) for arena in heap.view.arenas for region in arena.regions]
    claimed += [(each.start, each.end) for each in known]
    best: tuple[int, int] | None = None
    pages = 0
    for start, end in unclaimed_ranges(heap.process, claimed):
        for page in range(heap.process.page_after(start), end - length + 1, heap.process.page_size):
            pages += 1
            if pages > _MOST_PAGES:
                break
            score = _likeness(heap, page, length) + (
                layout.pointer_size if page == start and end - start == length else 0
            )
            if best is None or score > best[0]:
                best = (score, page)
    if best is None or best[0] < layout.pointer_size:
        return None
    address = first_chunk_after(best[1], layout)
    prev_size, raw = heap.words.read_many(address, 2)
    offset = address - best[1]
    size = length - offset - (layout.mmapped_overhead or 0) | IS_MMAPPED
    field, held, good = ("size", raw, size) if raw != size else ("prev_size", prev_size, offset)
    why = clause("mp__counts_one_mmapped_chunk_more", length=length)
    where = address + (layout.pointer_size if field == "size" else 0)
    message = dies_with("munmap_chunk(): invalid pointer")
    flags = raw & FLAG_MASK
    call = _CALL if field == "prev_size" or flags == IS_MMAPPED else clause("free_mem_takes_chunk_arena")
    return Violation(Invariant.MMAPPED_HEADER, message, exactly(good), call, why).at(
        address, WrongField(field, where, held), MMAPPED_ARENA
    )


def _likeness(heap: CheckedHeap, page: int, length: int) -> int:
    """Return how many bytes of the header are those that an mmapped chunk of this length has."""
    layout = heap.layout
    address = first_chunk_after(page, layout)
    good = (address - page).to_bytes(layout.pointer_size, "little")
    good += (length - (address - page) - (layout.mmapped_overhead or 0) | IS_MMAPPED).to_bytes(
        layout.pointer_size, "little"
    )
    try:
        held = heap.process.memory.read(address, layout.header)
    except MemoryFault:
        return 0
    return sum(a == b for a, b in zip(good, held)) if any(held) else 0


def _all_readable(heap: CheckedHeap) -> bool:
    """Whether every mapping that could hold an mmapped chunk is known, can be read and was looked at: no core that
    left memory out, no block that the program has made read-only."""
    if not heap.process.address_space.known:
        return False
    for vma in heap.process.address_space:
        if vma.is_file or vma.shared or (vma.path.startswith("[") and not vma.path.startswith("[anon:")):
            continue
        try:
            raw = heap.words.read(first_chunk_after(vma.start, heap.layout) + heap.layout.pointer_size)
        except MemoryFault:
            if vma.writable:
                return False
            continue
        if not vma.writable and raw & FLAG_MASK == IS_MMAPPED:
            return False
    return True
