"""calloc: a block of zeros, of which only what may not be zero yet is cleared."""

from __future__ import annotations

from gdbheap.model import allocate, arenas, tcache
from gdbheap.model.errors import Unknown
from gdbheap.model.machine import IS_MMAPPED, ModelMalloc


def calloc(m: ModelMalloc, request: int) -> int:
    """Return the mem of a cleared block for `request` bytes, or 0."""
    size = m.sizes.chunk_size(request)
    if size is None:
        return allocate.refuse(m, lambda: allocate.from_thread_arena(m, request))
    allocate.make_tcache_early(m)
    allocate.make_tcache_for(m, size)
    if m.traits.calloc_uses_tcache:
        mem = tcache.take(m, size)
        if mem:
            return _cleared_cached(m, mem, size)
    # what top already had before is not known to be zero
    arena = m.main_arena if m.single_threaded else arenas.get(m, request)
    top = m.load(arena + m.TOP)
    dirty = _dirty_top(m, arena, top)
    mem = allocate.int_malloc(m, arena, request)
    if not mem and not m.single_threaded:
        arena = arenas.get_retry(m, arena, request)
        mem = allocate.int_malloc(m, arena, request)
        top = 0
    if not mem:
        return 0
    allocate.check_arena(m, arena, mem, "mem", "av")
    chunk = mem - m.header
    if not m.load(chunk + m.SIZE) & IS_MMAPPED:
        found = m.size_of(chunk)
        if chunk == top and found > dirty:
            found = dirty
        m.memory.clear(mem, found - m.pointer_size)
    return mem


def _cleared_cached(m: ModelMalloc, mem: int, size: int) -> int:
    by_request = m.traits.calloc_clears_request and tcache.bin_of(m, size) < tcache.SMALL_BINS
    found = size if by_request else m.size_of(mem - m.header)
    if found < m.min_size:
        raise Unknown(f"what memset does with {found - m.pointer_size} bytes is not known")
    m.memory.clear(mem, found - m.pointer_size)
    return mem


def _dirty_top(m: ModelMalloc, arena: int, top: int) -> int:
    """Return how many bytes of top may have been used before (they were part of the heap at some time)."""
    size = m.size_of(top)
    if arena == m.main_arena:
        return max(size, (m.parameter("sbrk_base") + m.load(arena + m.MAX_SYSTEM_MEM) - top) & m.mask)
    heap = m.heap_of(top)
    return max(size, heap + arenas.readable_size(m, heap) - top)
