"""arenas: the main arena, those of other threads, and the heaps the latter live in."""

from __future__ import annotations

from gdbheap.model.errors import known
from gdbheap.model.machine import PREV_INUSE, ModelMalloc

_HEAP_MIN = 32 << 10
_NONCONTIGUOUS = 2
_FREE_LIST = "free_list, the arenas that wait for a thread,"


def initialise(m: ModelMalloc, arena: int) -> None:
    """Make every bin of an arena empty (malloc_init_state)."""
    for index in range(1, 128):
        head = m.bin_at(arena, index)
        m.store(head + m.FD, head)
        m.store(head + m.BK, head)
    if arena != m.main_arena:
        set_noncontiguous(m, arena)
    if m.traits.has_fastbins:
        m.memory.store32(arena + m.HAVE_FASTCHUNKS, 0)
    m.store(arena + m.TOP, m.bin_at(arena, 1))


def contiguous(m: ModelMalloc, arena: int) -> bool:
    """Return whether the arena's memory comes in one piece from the break."""
    return not m.memory.load32(arena + 4) & _NONCONTIGUOUS


def set_noncontiguous(m: ModelMalloc, arena: int) -> None:
    """Note that it does not."""
    m.memory.store32(arena + 4, m.memory.load32(arena + 4) | _NONCONTIGUOUS)


# heap_info: ar_ptr, prev, size, mprotect_size, pagesize


def heap_size(m: ModelMalloc, heap: int) -> int:
    """Return the bytes of a heap in use."""
    return m.load(heap + 2 * m.pointer_size)


def readable_size(m: ModelMalloc, heap: int) -> int:
    """Return the bytes of a heap that were ever made readable."""
    return m.load(heap + 3 * m.pointer_size)


def new_heap(m: ModelMalloc, size: int, top_pad: int) -> int:
    """Map a heap with `size` bytes and `top_pad` more usable; return its address, or 0."""
    m.expect_small_pages()
    limit = m.traits.heap_max
    if size + top_pad < _HEAP_MIN:
        size = _HEAP_MIN
    elif size + top_pad <= limit:
        size += top_pad
    elif size > limit:
        return 0
    else:
        size = limit
    size = m.page_up(size)
    heap = _reserve(m, limit)
    if not heap:
        return 0
    m.kernel.protect(heap, size)
    m.store(heap + 2 * m.pointer_size, size)
    m.store(heap + 3 * m.pointer_size, size)
    if m.traits.heap_info_pagesize:
        m.store(heap + 4 * m.pointer_size, m.page_size)
    return heap


def _reserve(m: ModelMalloc, limit: int) -> int:
    hint, m.aligned_heap_area = known(m.aligned_heap_area, "aligned_heap_area, where libc puts its next heap,"), 0
    if hint:
        heap = m.kernel.mmap(limit, hint, accessible=False)
        if heap is not None:
            if not heap & (limit - 1):
                return heap
            m.kernel.munmap(heap, limit)
    start = m.kernel.mmap(2 * limit, accessible=False)
    if start is None:
        heap = m.kernel.mmap(limit, accessible=False)
        if heap is not None and not heap & (limit - 1):
            return heap
        if heap is not None:
            m.kernel.munmap(heap, limit)
        return 0
    heap = (start + limit - 1) & -limit
    lead = heap - start
    if lead:
        m.kernel.munmap(start, lead)
    else:
        m.aligned_heap_area = heap + limit
    m.kernel.munmap(heap + limit, limit - lead)
    return heap


def grow_heap(m: ModelMalloc, heap: int, more: int) -> bool:
    """Make `more` bytes (rounded up to pages) of a heap usable; return whether there was room."""
    size = heap_size(m, heap) + m.page_up(more)
    if size > m.traits.heap_max:
        return False
    if size > readable_size(m, heap):
        m.kernel.protect(heap, size)
        m.store(heap + 3 * m.pointer_size, size)
    m.store(heap + 2 * m.pointer_size, size)
    return True


def shrink_heap(m: ModelMalloc, heap: int, less: int) -> bool:
    """Give the last `less` bytes of a heap back; return False where that would take its header."""
    size = heap_size(m, heap) - less
    if size < m.traits.heap_info_size:
        return False
    m.kernel.dontneed(heap + size, less)
    m.store(heap + 2 * m.pointer_size, size)
    return True


def delete_heap(m: ModelMalloc, heap: int) -> None:
    """Unmap a whole heap."""
    limit = m.traits.heap_max
    if heap + limit == m.aligned_heap_area:
        m.aligned_heap_area = 0
    m.kernel.munmap(heap, limit)


def get(m: ModelMalloc, size: int) -> int:
    """Return the thread's arena, finding or making one for `size` bytes where it has none yet (arena_get)."""
    return m.thread.arena or _get2(m, size)


def get_retry(m: ModelMalloc, arena: int, size: int) -> int:
    """Return another arena to try after `arena` could not serve `size` bytes, or 0."""
    return m.main_arena if arena != m.main_arena else _get2(m, size)


def _get2(m: ModelMalloc, size: int) -> int:
    arena = known(m.free_arenas, _FREE_LIST)
    if arena:
        m.free_arenas = m.load(arena + m.NEXT_FREE)
        m.store(arena + m.ATTACHED_THREADS, 1)
        detach(m, m.thread.arena)
        m.thread.arena = arena
        return arena
    if not m.narenas_limit:
        most = m.parameter("arena_max")
        if most:
            m.narenas_limit = most
        else:
            m.narenas_limit = _limit_by_processors(m)
    if not m.narenas_limit or m.narenas <= m.narenas_limit - 1:
        m.narenas += 1
        arena = _make(m, size)
        if not arena:
            m.narenas -= 1
        return arena
    return _reuse(m)


def _limit_by_processors(m: ModelMalloc) -> int:
    """Return how many arenas there may be, and 0 while that does not matter yet."""
    test, what = m.parameter("arena_test"), "the number of processors"
    if m.traits.arena_per_processor:
        return max(known(m.cores, what), test) if m.narenas >= test else 0
    return known(m.cores, what) * (8 if m.pointer_size == 8 else 2) if m.narenas > test else 0


def _make(m: ModelMalloc, size: int) -> int:
    """Return a new arena in a heap of its own, attached to the thread (_int_new_arena), or 0."""
    head = m.traits.heap_info_size
    least = head + m.traits.arena_size + m.align
    heap = new_heap(m, size + least, m.parameter("top_pad")) or new_heap(m, least, m.parameter("top_pad"))
    if not heap:
        return 0
    arena = heap + head
    m.store(heap, arena)
    initialise(m, arena)
    m.store(arena + m.ATTACHED_THREADS, 1)
    size = heap_size(m, heap)
    m.store(arena + m.SYSTEM_MEM, size)
    m.store(arena + m.MAX_SYSTEM_MEM, size)
    top = arena + m.traits.arena_size
    top += -(top + m.header) & (m.align - 1)
    m.store(arena + m.TOP, top)
    m.store(top + m.SIZE, (heap + size - top) | PREV_INUSE)
    replaced, m.thread.arena = m.thread.arena, arena
    m.store(arena + m.NEXT, m.load(m.main_arena + m.NEXT))
    m.store(m.main_arena + m.NEXT, arena)
    detach(m, replaced)
    m.step("new arena", arena)
    return arena


def _reuse(m: ModelMalloc) -> int:
    """Attach the thread to the next arena in turn (reused_arena)."""
    arena = known(m.next_to_use, "next_to_use, the arena to be shared next,") or m.main_arena
    detach(m, m.thread.arena)
    _remove_free(m, arena)
    m.store(arena + m.ATTACHED_THREADS, m.load(arena + m.ATTACHED_THREADS) + 1)
    m.thread.arena = arena
    m.next_to_use = m.load(arena + m.NEXT)
    m.step("reused arena", arena)
    return arena


def _remove_free(m: ModelMalloc, arena: int) -> None:
    """Take an arena out of the list of those without a thread, if it is there."""
    previous, each = 0, known(m.free_arenas, _FREE_LIST)
    while each:
        following = m.load(each + m.NEXT_FREE)
        if each == arena:
            if previous:
                m.store(previous + m.NEXT_FREE, following)
            else:
                m.free_arenas = following
            return
        previous, each = each, following


def detach(m: ModelMalloc, arena: int) -> None:
    """Count a thread less in an arena that another replaces."""
    if arena:
        m.store(arena + m.ATTACHED_THREADS, m.load(arena + m.ATTACHED_THREADS) - 1)


def leave(m: ModelMalloc, arena: int) -> None:
    """Count a dying thread less; an arena without threads can be had by the next thread that needs one."""
    if not arena:
        return
    left = m.load(arena + m.ATTACHED_THREADS) - 1
    m.store(arena + m.ATTACHED_THREADS, left)
    if not left:
        m.store(arena + m.NEXT_FREE, known(m.free_arenas, _FREE_LIST))
        m.free_arenas = arena


def ring(m: ModelMalloc) -> list[int]:
    """Return the arenas in the order of their ring, main first."""
    arenas = [m.main_arena]
    each = m.load(m.main_arena + m.NEXT)
    while each and each != m.main_arena and each not in arenas:
        arenas.append(each)
        each = m.load(each + m.NEXT)
    return arenas


def heaps(m: ModelMalloc, arena: int) -> list[int]:
    """Return the heaps of a non-main arena, the newest (that with top) first."""
    found = []
    heap = m.heap_of(m.load(arena + m.TOP))
    while heap and heap not in found:
        found.append(heap)
        heap = m.load(heap + m.pointer_size)
    return found
