"""allocate: where a chunk comes from (_int_malloc), and the tcache struct, which is a chunk itself."""

from __future__ import annotations

from collections.abc import Callable

from gdbheap.model import arenas, bins, fastbins, tcache
from gdbheap.model.errors import Endless
from gdbheap.model.machine import IS_MMAPPED, ModelMalloc
from gdbheap.model.sysmalloc import from_top, sysmalloc

_MOST_SORTED = 10000


def from_thread_arena(m: ModelMalloc, request: int) -> int:
    """Return the mem of a block for `request` bytes from the thread's arena, or from another if that fails; 0 if
    none can."""
    if m.single_threaded:
        mem = int_malloc(m, m.main_arena, request)
        return check_arena(m, m.main_arena, mem, "victim", "&main_arena")
    arena = arenas.get(m, request)
    mem = int_malloc(m, arena, request)
    if not mem and arena:
        arena = arenas.get_retry(m, arena, request)
        mem = int_malloc(m, arena, request)
    return check_arena(m, arena, mem, "victim", "ar_ptr")


def refuse(m: ModelMalloc, ask: Callable[[], int]) -> int:
    """Refuse what is too large: at once, or after `ask` has asked each arena for it."""
    m.step("too large")
    return 0 if m.traits.refuses_early else ask()


def check_arena(m: ModelMalloc, arena: int, mem: int, name: str, arena_name: str) -> int:
    """Return `mem`, after asserting as glibc does that a chunk is of the arena it was asked of; the names are those
    of the assertion's text."""
    if mem and not m.load(mem - m.pointer_size) & IS_MMAPPED:
        m.assert_that(
            m.arena_of(mem - m.header) == arena,
            f"!{name} || chunk_is_mmapped (mem2chunk ({name})) || {arena_name} == arena_for_chunk (mem2chunk ({name}))",
        )
    return mem


def int_malloc(m: ModelMalloc, arena: int, request: int) -> int:
    """Return the mem of a block for `request` bytes from `arena` (0: from a mapping of its own), or 0 (_int_malloc)."""
    size = m.sizes.chunk_size(request)
    if size is None:
        return 0
    if not arena:
        return sysmalloc(m, 0, size)
    if fastbins.may_serve(m, size):
        mem = _from_fastbin(m, arena, size)
        if mem:
            return mem
    small = m.sizes.is_small(size)
    if small:
        mem = _from_smallbin(m, arena, size)
        if mem:
            return mem
    elif fastbins.have_chunks(m, arena):
        m.step("consolidate")
        fastbins.consolidate(m, arena)
    while True:
        mem = _sort_unsorted(m, arena, size) or _from_bins(m, arena, size)
        if mem:
            return mem
        top = m.load(arena + m.TOP)
        m.check(m.size_of(top) <= m.load(arena + m.SYSTEM_MEM), "malloc(): corrupted top size")
        mem = from_top(m, arena, size)
        if mem:
            return mem
        if not fastbins.have_chunks(m, arena):
            return sysmalloc(m, arena, size)
        m.step("consolidate")
        fastbins.consolidate(m, arena)


def _from_fastbin(m: ModelMalloc, arena: int, size: int) -> int:
    chunk = fastbins.take(m, arena, size)
    if not chunk:
        return 0
    m.step("fastbin", m.sizes.fast_index(size), chunk)
    if tcache.stashes(m, size):
        index = tcache.bin_of(m, size)
        while tcache.room(m, index):
            more = fastbins.take_more(m, arena, size)
            if not more:
                break
            tcache.put(m, more, index)
    return chunk + m.header


def _from_smallbin(m: ModelMalloc, arena: int, size: int) -> int:
    load, store = m.load, m.store
    head = m.bin_at(arena, m.sizes.small_index(size))
    chunk = load(head + m.BK)
    if chunk == head:
        return 0
    before = load(chunk + m.BK)
    m.check(load(before + m.FD) == chunk, "malloc(): smallbin double linked list corrupted")
    m.step("small bin", m.sizes.small_index(size), chunk)
    m.set_in_use(chunk, size)
    store(head + m.BK, before)
    store(before + m.FD, head)
    flag = m.arena_flag(arena)
    store(chunk + m.SIZE, load(chunk + m.SIZE) | flag)
    if tcache.stashes(m, size):
        make_tcache_late(m, arena)
        index = tcache.bin_of(m, size)
        while tcache.room(m, index):
            more = load(head + m.BK)
            if more == head:
                break
            if not more:
                # a NULL link is passed over, for ever
                raise Endless(f"small bin {m.sizes.small_index(size)} leads to NULL")
            before = load(more + m.BK)
            m.set_in_use(more, size)
            store(more + m.SIZE, load(more + m.SIZE) | flag)
            store(head + m.BK, before)
            store(before + m.FD, head)
            tcache.put(m, more, index)
    return chunk + m.header


def _sort_unsorted(m: ModelMalloc, arena: int, size: int) -> int:
    """Put the unsorted chunks where they belong; return the mem of one that fits exactly, or of a piece of
    last_remainder, or 0."""
    unsorted = m.bin_at(arena, 1)
    small = m.sizes.is_small(size)
    caching = m.traits.caches_unsorted and tcache.stashes(m, size)
    index = tcache.bin_of(m, size)
    cached = False
    sorted_chunks = placed = 0
    while placed < _MOST_SORTED:
        chunk = m.load(unsorted + m.BK)
        if chunk == unsorted:
            break
        found = bins.check_unsorted(m, arena, chunk)
        before = m.load(chunk + m.BK)
        if small and before == unsorted and chunk == m.load(arena + m.LAST_REMAINDER) and found > size + m.min_size:
            m.step("last_remainder", chunk)
            return bins.split_last_remainder(m, arena, chunk, found, size)
        m.store(unsorted + m.BK, before)
        m.store(before + m.FD, unsorted)
        if found == size:
            mem = bins.hand_out(m, arena, chunk, size)
            if m.traits.caches_unsorted:
                make_tcache_late(m, arena)
            if caching and tcache.room(m, index):
                tcache.put(m, chunk, index)
                m.step("unsorted to tcache", chunk)
                cached = True
                continue
            m.step("unsorted", chunk)
            return mem
        bins.place(m, arena, chunk, found)
        sorted_chunks += 1
        if cached and 0 < m.parameter("tcache_unsorted_limit") < sorted_chunks:
            break
        placed += 1
    return tcache.get(m, index) if cached else 0


def _from_bins(m: ModelMalloc, arena: int, size: int) -> int:
    """Return the mem of the best fitting binned chunk, its rest split off, or 0."""
    index = m.sizes.bin_index(size)
    small = m.sizes.is_small(size)
    message = "malloc(): corrupted unsorted chunks"
    chunk = found = 0
    if not small:
        chunk, found = bins.best_large(m, arena, index, size)
    remember = False
    if not chunk:
        index = bins.larger_bin(m, arena, index + 1)
        if not index:
            return 0
        message = "malloc(): corrupted unsorted chunks 2"
        chunk = m.load(m.bin_at(arena, index) + m.BK)
        found = m.size_of(chunk)
        m.assert_that(found >= size, "(unsigned long) (size) >= (unsigned long) (nb)")
        remember = small
    bins.unlink(m, chunk)
    m.step("bin", index, chunk, found - size if found - size >= m.min_size else 0)
    if found - size < m.min_size:
        return bins.hand_out(m, arena, chunk, found)
    mem = bins.split(m, arena, chunk, found, size, message)
    if remember:
        m.store(arena + m.LAST_REMAINDER, chunk + size)
    return mem


def make_tcache(m: ModelMalloc, arena: int = 0) -> None:
    """Give the thread a tcache (tcache_init), unless it has one or shall have none: a chunk of `arena`, or (0) of
    the thread's arena."""
    thread = m.thread
    if thread.tcache or thread.no_tcache or not m.traits.has_tcache:
        return
    size = m.traits.tcache_size
    if m.traits.tcache_on_request:
        mem = from_thread_arena(m, size)
    elif not m.traits.tcache_lazy:
        # by arena_get, whether there are other threads or not
        arena = arenas.get(m, size)
        mem = int_malloc(m, arena, size)
        if not mem and arena:
            mem = int_malloc(m, arenas.get_retry(m, arena, size), size)
    else:
        # meanwhile the thread counts as one without
        thread.no_tcache = True
        if not m.parameter("tcache_count"):
            return
        asked = (m.sizes.chunk_size(size) or 0) if m.traits.tcache_size_as_request else size
        mem = int_malloc(m, arena, asked) if arena else from_thread_arena(m, size)
        thread.no_tcache = not mem
    if not mem:
        return
    m.step("new tcache", mem)
    m.memory.clear(mem, size)
    thread.tcache = mem
    if m.traits.tcache_counts_slots:
        for index in range(m.traits.tcache_bins):
            tcache.set_count(m, mem, index, m.parameter("tcache_count"))


def make_tcache_early(m: ModelMalloc) -> None:
    """Give the thread a tcache where its first call does that (MAYBE_INIT_TCACHE, to 2.41)."""
    if not (m.traits.tcache_lazy or m.traits.tcache_on_request):
        make_tcache(m)


def make_tcache_for(m: ModelMalloc, size: int) -> None:
    """Give the thread a tcache where its first request of a chunk of `size` does that (tcache_malloc_init, in 2.42)."""
    if m.traits.tcache_on_request and tcache.caches(m, size):
        make_tcache(m)


def make_tcache_late(m: ModelMalloc, arena: int) -> None:
    """Give the thread a tcache where a chunk could be put into it (from 2.43)."""
    if m.traits.tcache_lazy:
        make_tcache(m, arena)
