"""free: where a freed chunk goes: a tcache, a fastbin, or merged with its neighbours into a bin or top."""

from __future__ import annotations

from gdbheap.model import arenas, bins, fastbins, mmapped, tcache, trim
from gdbheap.model.machine import IS_MMAPPED, PREV_INUSE, ModelMalloc


def free(m: ModelMalloc, mem: int) -> bool:
    """Free a block. Return False where the thread has to be given a tcache first and the call be made again (2.43)."""
    chunk = (mem - m.header) & m.mask
    if m.traits.free_size_wraps:
        return _free_late_checks(m, chunk)
    if m.load(chunk + m.SIZE) & IS_MMAPPED:
        mmapped.adjust_threshold(m, chunk)
        mmapped.free(m, chunk)
    else:
        in_arena(m, m.arena_of(chunk), chunk, locked=False)
    return True


def _free_late_checks(m: ModelMalloc, chunk: int) -> bool:
    # mirrors __libc_free() from 2.42: the tcache first, the size check after it, the mapping last
    m.check(not m.misaligned(chunk), "free(): invalid pointer")
    size = m.size_of(chunk)
    mapped = m.load(chunk + m.SIZE) & IS_MMAPPED
    if tcache.caches(m, size) and (m.thread.tcache or m.traits.tcache_lazy):
        if m.load(chunk + m.header + m.pointer_size) == m.tcache_key:
            tcache.verify_not_cached(m, chunk + m.header, size)
            # a chance value: the word is cleared and all is done once more
            m.store(chunk + m.header + m.pointer_size, 0)
            return _free_late_checks(m, chunk)
        index = tcache.bin_of(m, size)
        may = size >= m.min_size and (m.traits.tcache_large_mmapped or not mapped)
        if (index < tcache.SMALL_BINS or may) and tcache.room(m, index):
            (tcache.put if index < tcache.SMALL_BINS else tcache.put_large)(m, chunk, index)
            m.step("to tcache", index)
            return True
        if not m.thread.tcache and not m.thread.no_tcache:
            return False
    m.check(size >= m.min_size and chunk + size - m.min_size <= m.mask, "free(): invalid size")
    arena = m.arena_of(chunk)
    if mapped:
        mmapped.adjust_threshold(m, chunk)
    past_tcache(m, arena, chunk, size, locked=False)
    return True


def in_arena(m: ModelMalloc, arena: int, chunk: int, locked: bool) -> None:
    """Free a chunk of `arena` with all checks (_int_free); `locked` says that malloc does it on its own account."""
    size = m.size_of(chunk)
    m.check(chunk <= (-size & m.mask) and not m.misaligned(chunk), "free(): invalid pointer")
    m.check(size >= m.min_size and not size & (m.align - 1), "free(): invalid size")
    index = tcache.bin_of(m, size)
    if m.thread.tcache and index < m.parameter("tcache_bins"):
        if m.traits.tcache_key and m.load(chunk + m.header + m.pointer_size) == tcache.key(m):
            tcache.verify_not_cached(m, chunk + m.header, size)
        if tcache.room(m, index):
            tcache.put(m, chunk, index)
            m.step("to tcache", index)
            return
    past_tcache(m, arena, chunk, size, locked)


def past_tcache(m: ModelMalloc, arena: int, chunk: int, size: int, locked: bool) -> None:
    """Free a chunk that no tcache takes (_int_free_chunk)."""
    if fastbins.takes(m, size):
        fastbins.put(m, arena, chunk, size, locked)
        m.step("to fastbin", m.sizes.fast_index(size))
    elif m.load(chunk + m.SIZE) & IS_MMAPPED:
        mmapped.free(m, chunk)
    else:
        merge(m, arena, chunk, size)


def leftover(m: ModelMalloc, arena: int, chunk: int) -> None:
    """Free what realloc or sysmalloc has no more use for."""
    if m.traits.leftovers_to_tcache:
        in_arena(m, arena, chunk, locked=True)
    else:
        past_tcache(m, arena, chunk, m.size_of(chunk), locked=True)


def merge(m: ModelMalloc, arena: int, chunk: int, size: int) -> None:
    """Free a chunk into its neighbours and the bins (_int_free_merge_chunk)."""
    load = m.load
    behind = chunk + size
    top = load(arena + m.TOP)
    m.check(chunk != top, "double free or corruption (top)")
    if arenas.contiguous(m, arena):
        m.check(behind & m.mask < top + m.size_of(top), "double free or corruption (out)")
    raw = load(behind + m.SIZE)
    m.check(bool(raw & PREV_INUSE), "double free or corruption (!prev)")
    behind_size = raw & ~7
    m.check(raw > m.header and behind_size < load(arena + m.SYSTEM_MEM), "free(): invalid next size (normal)")
    if not load(chunk + m.SIZE) & PREV_INUSE:
        before = load(chunk)
        size += before
        chunk = (chunk - before) & m.mask
        m.check(m.size_of(chunk) == before, "corrupted size vs. prev_size while consolidating")
        bins.unlink(m, chunk)
    trim.after_free(m, arena, make_free(m, arena, chunk, size, behind, behind_size))


def make_free(m: ModelMalloc, arena: int, chunk: int, size: int, behind: int, behind_size: int) -> int:
    """Make a free chunk of [chunk, chunk + size) and, if that is free, the chunk `behind`; return its size
    (_int_free_create_chunk)."""
    load, store = m.load, m.store
    if behind == load(arena + m.TOP):
        size += behind_size
        store(chunk + m.SIZE, size | PREV_INUSE)
        store(arena + m.TOP, chunk)
        m.step("to top", chunk)
        return size
    if load(behind + behind_size + m.SIZE) & PREV_INUSE:
        store(behind + m.SIZE, load(behind + m.SIZE) & ~PREV_INUSE)
    else:
        bins.unlink(m, behind)
        size += behind_size
    direct = m.traits.small_free_to_smallbin and m.sizes.is_small(size & m.mask)
    index = m.sizes.small_index(size & m.mask) if direct else 1
    head = m.bin_at(arena, index)
    first = load(head + m.FD)
    m.check(
        load(first + m.BK) == head,
        "free(): chunks in smallbin corrupted" if direct else "free(): corrupted unsorted chunks",
    )
    if direct:
        bins.mark(m, arena, index)
    else:
        bins.forget_nextsize(m, chunk, size & m.mask)
    bins.insert(m, chunk, head, first)
    store(chunk + m.SIZE, size | PREV_INUSE)
    store(chunk + size, size)
    m.step("to bin", index)
    return size
