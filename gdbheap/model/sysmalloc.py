"""sysmalloc: more memory from the kernel, when top cannot serve."""

from __future__ import annotations

from gdbheap.model import arenas, mmapped
from gdbheap.model.free import leftover
from gdbheap.model.machine import PREV_INUSE, ModelMalloc

_MMAP_AS_MORECORE = 1 << 20


def sysmalloc(m: ModelMalloc, arena: int, size: int) -> int:
    """Return the mem of a chunk of `size` made of new memory, or 0. `arena` 0: there is none, only a mapping can
    serve."""
    m.expect_small_pages()
    tried_mmap = False
    if not arena or mmapped.wanted(m, size):
        mem = mmapped.allocate(m, size)
        if mem or not arena:
            return mem
        tried_mmap = True
    top = m.load(arena + m.TOP)
    top_size = m.size_of(top)
    m.assert_that(
        (top == m.bin_at(arena, 1) and not top_size)
        or (top_size >= m.min_size and bool(m.load(top + m.SIZE) & PREV_INUSE) and not (top + top_size) % m.page_size),
        "(old_top == initial_top (av) && old_size == 0) || ((unsigned long) (old_size) >= MINSIZE && prev_inuse "
        "(old_top) && ((unsigned long) old_end & (pagesize - 1)) == 0)",
    )
    m.assert_that(top_size < size + m.min_size, "(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)")
    if arena == m.main_arena:
        _grow_main(m, top, top_size, size)
    elif not _grow(m, arena, top, top_size, size) and not tried_mmap:
        mem = mmapped.allocate(m, size)
        if mem:
            return mem
    system_mem = m.load(arena + m.SYSTEM_MEM)
    if system_mem > m.load(arena + m.MAX_SYSTEM_MEM):
        m.store(arena + m.MAX_SYSTEM_MEM, system_mem)
    return from_top(m, arena, size)


def from_top(m: ModelMalloc, arena: int, size: int) -> int:
    """Cut a chunk of `size` off top; return its mem, or 0 where top is too small."""
    top = m.load(arena + m.TOP)
    top_size = m.size_of(top)
    if top_size < size + m.min_size:
        return 0
    m.store(arena + m.TOP, top + size)
    m.store(top + m.SIZE, size | PREV_INUSE | m.arena_flag(arena))
    m.store(top + size + m.SIZE, (top_size - size) | PREV_INUSE)
    m.step("top", top)
    return top + m.header


def _add_system_mem(m: ModelMalloc, arena: int, size: int) -> None:
    m.store(arena + m.SYSTEM_MEM, m.load(arena + m.SYSTEM_MEM) + size)


def _grow(m: ModelMalloc, arena: int, top: int, top_size: int, size: int) -> bool:
    """Make top of a non-main arena larger, or put it in a new heap; return whether that was possible."""
    old = m.heap_of(top)
    old_size = arenas.heap_size(m, old)
    more = m.min_size + size - top_size
    if more > 0 and arenas.grow_heap(m, old, more):
        now = arenas.heap_size(m, old)
        _add_system_mem(m, arena, now - old_size)
        m.store(top + m.SIZE, (old + now - top) | PREV_INUSE)
        m.step("grow heap", now - old_size)
        return True
    head = m.traits.heap_info_size
    heap = arenas.new_heap(m, size + m.min_size + head, m.parameter("top_pad"))
    if not heap:
        return False
    m.store(heap, arena)
    m.store(heap + m.pointer_size, old)
    now = arenas.heap_size(m, heap)
    _add_system_mem(m, arena, now)
    m.store(arena + m.TOP, heap + head)
    m.store(heap + head + m.SIZE, (now - head) | PREV_INUSE)
    m.step("new heap", heap)
    # the fencepost at the end of the old heap is as large as MINSIZE: it may become top again
    kept = (top_size - m.min_size) & -m.align
    m.store(top + kept + m.header + m.SIZE, PREV_INUSE)
    if kept >= m.min_size:
        m.store(top + kept + m.SIZE, m.header | PREV_INUSE)
        m.store(top + kept + m.header, m.header)
        m.store(top + m.SIZE, kept | PREV_INUSE | m.arena_flag(arena))
        leftover(m, arena, top)
    else:
        m.store(top + m.SIZE, (kept + m.header) | PREV_INUSE)
        m.store(top + kept + m.header, kept + m.header)
    return True


def _grow_main(m: ModelMalloc, top: int, top_size: int, size: int) -> None:
    arena = m.main_arena
    request = size + m.parameter("top_pad") + m.min_size
    wanted = m.page_up(request - (top_size if arenas.contiguous(m, arena) else 0)) & m.mask
    start = m.kernel.sbrk(wanted) if 0 < wanted <= m.sizes.limit else None
    end = 0
    if start is None:
        wanted = _mapping_instead(m, request, wanted, top_size)
        start = m.kernel.mmap(wanted) if size < wanted <= m.sizes.limit else None
        if start is None:
            return
        end = start + wanted
        arenas.set_noncontiguous(m, arena)
        m.step("mmap for the main heap", wanted)
    else:
        m.step("brk", wanted)
    if not m.parameter("sbrk_base"):
        m.set_parameter("sbrk_base", start)
    _add_system_mem(m, arena, wanted)
    if start == top + top_size and not end:
        m.store(top + m.SIZE, (wanted + top_size) | PREV_INUSE)
        return
    m.check(
        not (arenas.contiguous(m, arena) and top_size and start < top + top_size),
        "break adjusted to free malloc space",
    )
    _new_main_stretch(m, top, top_size, start, wanted, end)


def _mapping_instead(m: ModelMalloc, request: int, wanted: int, top_size: int) -> int:
    """Return how much to map where the break cannot move: `request` is all that is needed, `wanted` what the break
    was to grow."""
    if m.traits.morecore_whole:
        wanted = m.page_up(request)
    elif arenas.contiguous(m, m.main_arena):
        unit = _MMAP_AS_MORECORE if m.traits.morecore_swapped else m.page_size
        wanted = (wanted + top_size + unit - 1) & -unit
    least = m.page_size if m.traits.morecore_swapped else _MMAP_AS_MORECORE
    return max(wanted & m.mask, least)


def _new_main_stretch(m: ModelMalloc, top: int, top_size: int, start: int, size: int, end: int) -> None:
    """Put top into memory that does not follow the old top: [start, start + size), or up to the break where `end` is
    0."""
    arena = m.main_arena
    lead = -(start + m.header) & (m.align - 1)
    correction = 0
    if arenas.contiguous(m, arena):
        if top_size:
            # memory that others took from the break counts too
            _add_system_mem(m, arena, start - (top + top_size))
        correction = lead + top_size
        past = start + size + correction
        correction += m.page_up(past) - past
        got = m.kernel.sbrk(correction)
        if got is None:
            correction, got = 0, m.kernel.brk
        end = got
    else:
        # mirrors sysmalloc(), which aligns only where malloc's alignment is more than two words
        m.assert_that(not lead or m.align > m.header, "((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0")
        end = end or m.kernel.brk
    aligned = start + lead
    m.main_stretches.append(aligned)
    m.store(arena + m.TOP, aligned)
    m.store(aligned + m.SIZE, (end - aligned + correction) | PREV_INUSE)
    _add_system_mem(m, arena, correction)
    if top_size:
        kept = (top_size - 2 * m.header) & -m.align
        m.store(top + m.SIZE, kept | PREV_INUSE)
        m.store(top + kept + m.SIZE, m.header | PREV_INUSE)
        m.store(top + kept + m.header + m.SIZE, m.header | PREV_INUSE)
        if kept >= m.min_size:
            leftover(m, arena, top)
