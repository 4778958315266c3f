"""realloc: in place, into the next chunk, into top, by mremap, or by a new block and a copy."""

from __future__ import annotations

from gdbheap.model import bins, mmapped
from gdbheap.model.allocate import check_arena, from_thread_arena, int_malloc
from gdbheap.model.free import in_arena, leftover, past_tcache
from gdbheap.model.machine import FLAGS, IS_MMAPPED, PREV_INUSE, ModelMalloc


def usable(m: ModelMalloc, mem: int) -> int:
    """Return how many bytes a block has for its user (malloc_usable_size), 0 for one that looks free."""
    chunk = mem - m.header
    if m.load(chunk + m.SIZE) & IS_MMAPPED:
        return m.size_of(chunk) - mmapped.usable_tail(m)
    return m.size_of(chunk) - m.pointer_size if m.in_use(chunk) else 0


def stays(m: ModelMalloc, mem: int, request: int) -> bool:
    """Return whether realloc gives the block back as it is, before it looks at anything else."""
    if not m.traits.realloc_slack:
        return False
    slack = usable(m, mem) - request
    mapped = m.load(mem - m.pointer_size) & IS_MMAPPED and m.traits.realloc_mmapped_slack
    return 0 <= slack < m.header or bool(mapped and 0 <= slack <= m.page_size)


def check_pointer(m: ModelMalloc, chunk: int) -> None:
    """Abort where no chunk can be."""
    m.check(chunk <= (-m.size_of(chunk) & m.mask) and not m.misaligned(chunk), "realloc(): invalid pointer")


def resize_mmapped(m: ModelMalloc, chunk: int, size: int) -> int:
    """Return the mem of an mmapped chunk made to fit `size` in place or elsewhere, or 0 where a new block must do."""
    resized = mmapped.resize(m, chunk, size)
    if resized:
        return resized + m.header
    # mremap failed: the block may still be large enough
    return chunk + m.header if m.size_of(chunk) - m.pointer_size >= size else 0


def resize(m: ModelMalloc, chunk: int, size: int, request: int) -> int:
    """Resize a chunk of an arena to the chunk size `size`; return its mem, or 0."""
    arena = m.arena_of(chunk)
    mem = _int_realloc(m, arena, chunk, size)
    check_arena(m, arena, mem, "newp", "ar_ptr")
    if mem or m.single_threaded:
        return mem
    mem = from_thread_arena(m, request)
    if mem:
        old = m.size_of(chunk)
        m.memory.copy(chunk + m.header, mem, old - m.pointer_size)
        if m.traits.leftovers_to_tcache:
            in_arena(m, arena, chunk, locked=False)
        else:
            past_tcache(m, arena, chunk, old, locked=False)
    return mem


def _int_realloc(m: ModelMalloc, arena: int, chunk: int, size: int) -> int:
    load, store = m.load, m.store
    raw = load(chunk + m.SIZE)
    old = raw & ~FLAGS
    system_mem = load(arena + m.SYSTEM_MEM)
    m.check(raw > m.header and old < system_mem, "realloc(): invalid old size")
    behind = chunk + old
    behind_raw = load(behind + m.SIZE)
    behind_size = behind_raw & ~FLAGS
    m.check(behind_raw > m.header and behind_size < system_mem, "realloc(): invalid next size")
    flag = m.arena_flag(arena)
    have = old
    if old >= size:
        m.step("in place", chunk)
    elif behind == load(arena + m.TOP) and old + behind_size >= size + m.min_size:
        store(chunk + m.SIZE, raw & FLAGS | size | flag)
        store(arena + m.TOP, chunk + size)
        store(chunk + size + m.SIZE, (old + behind_size - size) | PREV_INUSE)
        m.step("into top", chunk)
        return chunk + m.header
    elif (
        behind != load(arena + m.TOP)
        and not load(behind + behind_size + m.SIZE) & PREV_INUSE
        and old + behind_size >= size
    ):
        have = old + behind_size
        bins.unlink(m, behind)
        m.step("into next", behind)
    else:
        mem = int_malloc(m, arena, size - (m.align - 1))
        if not mem:
            return 0
        if mem - m.header != behind:
            m.memory.copy(chunk + m.header, mem, m.size_of(chunk) - m.pointer_size)
            leftover(m, arena, chunk)
            m.step("copy", mem)
            return mem
        have = old + m.size_of(behind)
        m.step("into next", behind)
    m.assert_that(have >= size, "(unsigned long) (newsize) >= (unsigned long) (nb)")
    _give_back_rest(m, arena, chunk, have, size)
    return chunk + m.header


def _give_back_rest(m: ModelMalloc, arena: int, chunk: int, have: int, size: int) -> None:
    flag = m.arena_flag(arena)
    rest = have - size
    flags = m.load(chunk + m.SIZE) & FLAGS
    if rest < m.min_size:
        m.store(chunk + m.SIZE, flags | have | flag)
        m.set_in_use(chunk, have)
        return
    m.store(chunk + m.SIZE, flags | size | flag)
    m.store(chunk + size + m.SIZE, rest | PREV_INUSE | flag)
    m.set_in_use(chunk + size, rest)
    leftover(m, arena, chunk + size)
