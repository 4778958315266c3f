"""trim: giving the end of a heap back to the kernel."""

from __future__ import annotations

from gdbheap.model import arenas, bins, fastbins
from gdbheap.model.machine import FLAGS, PREV_INUSE, TRIM_SIZE, ModelMalloc


def after_free(m: ModelMalloc, arena: int, size: int) -> None:
    """Do what a free that made a chunk of `size` does last (_int_free_maybe_consolidate, _int_free_maybe_trim)."""
    if size < TRIM_SIZE:
        return
    if fastbins.have_chunks(m, arena):
        m.step("consolidate")
        fastbins.consolidate(m, arena)
    top_pad = m.parameter("top_pad")
    if arena == m.main_arena:
        if m.size_of(m.load(arena + m.TOP)) >= m.parameter("trim_threshold"):
            main(m, top_pad)
    else:
        heap = m.heap_of(m.load(arena + m.TOP))
        m.assert_that(m.load(heap) == arena, "heap->ar_ptr == av")
        _heap(m, heap, top_pad)


def _spare(m: ModelMalloc, size: int, pad: int) -> int:
    """Return the whole pages at the end of a top of `size` that need not be kept."""
    area = size - m.min_size - 1
    return (area - pad) & -m.page_size if area > pad else 0


def main(m: ModelMalloc, pad: int) -> bool:
    """Lower the break, keeping `pad` bytes of top; return whether it moved (systrim)."""
    arena = m.main_arena
    top = m.load(arena + m.TOP)
    size = m.size_of(top)
    # mirrors systrim(), which compares unsigned and calculates in longs: a top of MINSIZE has an area of -1, and the
    # "trimmed" break goes up; so it would for more than 2 GiB in 32 bit, but there is no room for it
    area = (size - m.min_size - 1) & m.mask
    extra = 0 if area <= pad else (area - pad) & -m.page_size
    move = m.signed(-extra)
    m.expect_small_pages()
    if not extra or m.kernel.brk != top + size or m.kernel.sbrk(move) is None:
        return False
    m.step(*(("trim", -move) if move < 0 else ("brk", move)))
    m.store(arena + m.SYSTEM_MEM, m.load(arena + m.SYSTEM_MEM) - extra)
    m.store(top + m.SIZE, (size - extra) | PREV_INUSE)
    return True


def _heap(m: ModelMalloc, heap: int, pad: int) -> None:
    """Delete the newest heaps of an arena while they are empty, then shrink the one with top (heap_trim)."""
    arena = m.load(heap)
    top = m.load(arena + m.TOP)
    while top == heap + m.traits.heap_info_size:
        deleted = _delete(m, arena, heap, pad)
        if not deleted:
            break
        heap, top = deleted
    size = m.size_of(top)
    if size < m.parameter("trim_threshold"):
        return
    extra = _spare(m, size, pad)
    if not extra or not arenas.shrink_heap(m, heap, extra):
        return
    m.step("trim", extra)
    m.store(arena + m.SYSTEM_MEM, m.load(arena + m.SYSTEM_MEM) - extra)
    m.store(top + m.SIZE, (size - extra) | PREV_INUSE)


def _delete(m: ModelMalloc, arena: int, heap: int, pad: int) -> tuple[int, int] | None:
    """Delete an empty heap, making what ends the previous one top again; return (previous heap, top), or None where
    too little would be left."""
    load, store = m.load, m.store
    previous = load(heap + m.pointer_size)
    previous_size = arenas.heap_size(m, previous)
    fence = previous + previous_size - (m.min_size - m.header)
    misalign = fence & (m.align - 1)
    fence -= misalign
    m.assert_that(load(fence + m.SIZE) == PREV_INUSE, "chunksize_nomask (p) == (0 | PREV_INUSE)")
    chunk = fence - load(fence)
    size = m.size_of(chunk) + (m.min_size - m.header) + misalign
    m.assert_that(0 < size < 2 * m.min_size, "new_size > 0 && new_size < (long) (2 * MINSIZE)")
    free_before = not load(chunk + m.SIZE) & PREV_INUSE
    if free_before:
        size += load(chunk)
    m.assert_that(0 < size < m.traits.heap_max, "new_size > 0 && new_size < max_size")
    if size + (m.traits.heap_max - previous_size) < pad + m.min_size + m.page_size:
        return None
    m.step("delete heap", heap)
    store(arena + m.SYSTEM_MEM, load(arena + m.SYSTEM_MEM) - arenas.heap_size(m, heap))
    arenas.delete_heap(m, heap)
    if free_before:
        chunk -= load(chunk)
        bins.unlink(m, chunk)
    m.assert_that(
        not (chunk + size) & (m.page_size - 1), "((unsigned long) ((char *) p + new_size) & (pagesz - 1)) == 0"
    )
    m.assert_that(
        chunk + size == previous + arenas.heap_size(m, previous),
        "((char *) p + new_size) == ((char *) heap + heap->size)",
    )
    store(arena + m.TOP, chunk)
    store(chunk + m.SIZE, size | PREV_INUSE)
    return previous, chunk


def everything(m: ModelMalloc, pad: int) -> int:
    """Do malloc_trim's work in every arena: give whole free pages back; return 1 if any memory was released, else 0."""
    released = 0
    for arena in arenas.ring(m):
        fastbins.consolidate(m, arena)
        released |= _free_pages(m, arena)
        if arena == m.main_arena:
            released |= main(m, pad)
    return released


def _free_pages(m: ModelMalloc, arena: int) -> int:
    result = 0
    first = m.sizes.bin_index(m.page_size)
    for index in (1, *range(first, 128)):
        head = m.bin_at(arena, index)
        chunk = m.load(head + m.BK)
        while chunk != head:
            size = m.load(chunk + m.SIZE) & ~FLAGS
            if size > m.page_size - 1 + 6 * m.pointer_size:
                start = m.page_up(chunk + 6 * m.pointer_size)
                rest = size - (start - chunk)
                if rest > m.page_size - 1:
                    m.kernel.dontneed(start, rest & -m.page_size)
                    result = 1
            chunk = m.load(chunk + m.BK)
    return result
