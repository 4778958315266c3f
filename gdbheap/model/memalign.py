"""memalign: a block at a multiple of an alignment, cut out of a larger one."""

from __future__ import annotations

from gdbheap.model import arenas, mmapped, trim
from gdbheap.model.allocate import check_arena, int_malloc
from gdbheap.model.free import in_arena, make_free, merge
from gdbheap.model.machine import FLAGS, IS_MMAPPED, PREV_INUSE, ModelMalloc


def from_thread_arena(m: ModelMalloc, alignment: int, request: int) -> int:
    """Return the mem of an aligned block from the thread's arena, or from another if that fails; 0 if none can."""
    if m.single_threaded:
        mem = _int_memalign(m, m.main_arena, alignment, request)
        return check_arena(m, m.main_arena, mem, "p", "&main_arena")
    arena = arenas.get(m, (request + alignment + m.min_size) & m.mask)
    mem = _int_memalign(m, arena, alignment, request)
    if not mem and arena:
        arena = arenas.get_retry(m, arena, request)
        mem = _int_memalign(m, arena, alignment, request)
    return check_arena(m, arena, mem, "p", "ar_ptr")


def _int_memalign(m: ModelMalloc, arena: int, alignment: int, request: int) -> int:
    size = m.sizes.chunk_size(request)
    if size is None:
        return 0
    mem = int_malloc(m, arena, (size + alignment + m.min_size) & m.mask)
    if not mem:
        return 0
    chunk = mem - m.header
    if m.load(chunk + m.SIZE) & IS_MMAPPED:
        return _align_mmapped(m, chunk, alignment)
    if mem % alignment:
        chunk = _cut_front(m, arena, chunk, alignment, size)
    _cut_tail(m, arena, chunk, size)
    return chunk + m.header


def _aligned_after(m: ModelMalloc, chunk: int, alignment: int) -> int:
    """Return the chunk whose mem is the first multiple of `alignment` that leaves room for a chunk before it."""
    found = ((chunk + m.header + alignment - 1) & -alignment) - m.header
    return found + alignment if found - chunk < m.min_size else found


def _align_mmapped(m: ModelMalloc, chunk: int, alignment: int) -> int:
    mem = chunk + m.header
    if not mem % alignment:
        return mem
    # with an overhead in the mapping, no room for a chunk is kept before it
    aligned = (
        ((mem + alignment - 1) & -alignment) - m.header if mmapped.overhead(m) else _aligned_after(m, chunk, alignment)
    )
    lead = aligned - chunk
    m.mmapped_chunks.discard(chunk)
    m.mmapped_chunks.add(aligned)
    m.store(aligned, m.load(chunk) + lead)
    m.store(aligned + m.SIZE, (m.size_of(chunk) - lead) | IS_MMAPPED)
    return aligned + m.header


def _cut_front(m: ModelMalloc, arena: int, chunk: int, alignment: int, size: int) -> int:
    aligned = _aligned_after(m, chunk, alignment)
    lead = aligned - chunk
    rest = m.size_of(chunk) - lead
    flag = m.arena_flag(arena)
    m.store(aligned + m.SIZE, rest | PREV_INUSE | flag)
    m.set_in_use(aligned, rest)
    m.store(chunk + m.SIZE, m.load(chunk + m.SIZE) & FLAGS | lead | flag)
    if m.traits.memalign_merges:
        merge(m, arena, chunk, lead)
    else:
        in_arena(m, arena, chunk, locked=True)
    if m.traits.memalign_asserts:
        # a block taken from a bin may say that it is smaller than its bin's
        m.assert_that(rest & m.mask >= size, "newsize >= nb && (((unsigned long) (chunk2mem (p))) % alignment) == 0")
    return aligned


def _cut_tail(m: ModelMalloc, arena: int, chunk: int, size: int) -> None:
    have = m.size_of(chunk)
    rest = have - size
    tail = chunk + size
    if not m.traits.memalign_merges:
        if rest > m.min_size:
            m.store(tail + m.SIZE, rest | PREV_INUSE | m.arena_flag(arena))
            m.store(chunk + m.SIZE, m.load(chunk + m.SIZE) & FLAGS | size)
            in_arena(m, arena, tail, locked=True)
        return
    behind = chunk + have
    behind_size = m.size_of(behind)
    if rest <= 0 and m.traits.memalign_asserts:
        return
    if rest & m.mask < m.min_size:
        free_behind = behind == m.load(arena + m.TOP) or not m.load(behind + behind_size + m.SIZE) & PREV_INUSE
        if not (m.traits.memalign_small_tail and free_behind):
            return
    m.store(chunk + m.SIZE, m.load(chunk + m.SIZE) & FLAGS | size)
    trim.after_free(m, arena, make_free(m, arena, tail, rest, behind, behind_size))
