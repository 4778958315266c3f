"""bins: the unsorted list, the small and large bins, and what malloc does when it walks them."""

from __future__ import annotations

from gdbheap.model.errors import Endless
from gdbheap.model.machine import PREV_INUSE, ModelMalloc

_ENDLESS = 1 << 20


def unlink(m: ModelMalloc, chunk: int) -> None:
    """Take a free chunk out of its list (unlink_chunk)."""
    load, store = m.load, m.store
    size = m.size_of(chunk)
    m.check(size == load(chunk + size), "corrupted size vs. prev_size")
    fd, bk = load(chunk + m.FD), load(chunk + m.BK)
    m.check(load(fd + m.BK) == chunk and load(bk + m.FD) == chunk, "corrupted double-linked list")
    store(fd + m.BK, bk)
    store(bk + m.FD, fd)
    # the size with its flags, as glibc compares it
    if m.sizes.is_small(load(chunk + m.SIZE)) or not load(chunk + m.FD_NEXTSIZE):
        return
    larger, smaller = load(chunk + m.BK_NEXTSIZE), load(chunk + m.FD_NEXTSIZE)
    m.check(
        load(smaller + m.BK_NEXTSIZE) == chunk and load(larger + m.FD_NEXTSIZE) == chunk,
        "corrupted double-linked list (not small)",
    )
    if load(fd + m.FD_NEXTSIZE):
        store(smaller + m.BK_NEXTSIZE, larger)
        store(larger + m.FD_NEXTSIZE, smaller)
    elif smaller == chunk:
        store(fd + m.FD_NEXTSIZE, fd)
        store(fd + m.BK_NEXTSIZE, fd)
    else:
        store(fd + m.FD_NEXTSIZE, smaller)
        store(fd + m.BK_NEXTSIZE, larger)
        store(smaller + m.BK_NEXTSIZE, fd)
        store(larger + m.FD_NEXTSIZE, fd)


def insert(m: ModelMalloc, chunk: int, before: int, behind: int) -> None:
    """Link a chunk between `before` (its bk) and `behind` (its fd)."""
    m.store(chunk + m.BK, before)
    m.store(chunk + m.FD, behind)
    m.store(before + m.FD, chunk)
    m.store(behind + m.BK, chunk)


def forget_nextsize(m: ModelMalloc, chunk: int, size: int) -> None:
    """Clear the nextsize links of a large chunk that goes to the unsorted list."""
    if not m.sizes.is_small(size):
        m.store(chunk + m.FD_NEXTSIZE, 0)
        m.store(chunk + m.BK_NEXTSIZE, 0)


def mark(m: ModelMalloc, arena: int, index: int) -> None:
    """Note in the binmap that bin `index` has something."""
    at = arena + m.BINMAP + 4 * (index >> 5)
    m.memory.store32(at, m.memory.load32(at) | 1 << (index & 31))


def hand_out(m: ModelMalloc, arena: int, chunk: int, size: int) -> int:
    """Mark a whole free chunk, already unlinked, as in use; return its mem."""
    m.set_in_use(chunk, size)
    if arena != m.main_arena:
        m.store(chunk + m.SIZE, m.load(chunk + m.SIZE) | 4)
    return chunk + m.header


def split(m: ModelMalloc, arena: int, chunk: int, size: int, wanted: int, message: str) -> int:
    """Cut `wanted` bytes off the front of an unlinked free chunk and put the rest on the unsorted list; return the
    mem of the front."""
    rest = chunk + wanted
    unsorted = m.bin_at(arena, 1)
    first = m.load(unsorted + m.FD)
    m.check(m.load(first + m.BK) == unsorted, message)
    insert(m, rest, unsorted, first)
    forget_nextsize(m, rest, size - wanted)
    _set_heads(m, arena, chunk, size, wanted)
    return chunk + m.header


def split_last_remainder(m: ModelMalloc, arena: int, chunk: int, size: int, wanted: int) -> int:
    """Cut `wanted` bytes off the front of last_remainder, the only unsorted chunk; return the mem of the front."""
    rest = chunk + wanted
    unsorted = m.bin_at(arena, 1)
    insert(m, rest, unsorted, unsorted)
    m.store(arena + m.LAST_REMAINDER, rest)
    forget_nextsize(m, rest, size - wanted)
    _set_heads(m, arena, chunk, size, wanted)
    return chunk + m.header


def _set_heads(m: ModelMalloc, arena: int, chunk: int, size: int, wanted: int) -> None:
    rest = size - wanted
    m.store(chunk + m.SIZE, wanted | PREV_INUSE | m.arena_flag(arena))
    m.store(chunk + wanted + m.SIZE, rest | PREV_INUSE)
    m.store(chunk + size, rest)


def check_unsorted(m: ModelMalloc, arena: int, chunk: int) -> int:
    """Check the last unsorted chunk as malloc does before it uses it; return its size."""
    load = m.load
    size = m.size_of(chunk)
    system_mem = load(arena + m.SYSTEM_MEM)
    m.check(m.header < size <= system_mem, "malloc(): invalid size (unsorted)")
    behind = chunk + size
    raw = load(behind + m.SIZE)
    m.check(m.header <= raw <= system_mem, "malloc(): invalid next size (unsorted)")
    m.check(load(behind) & ~7 == size, "malloc(): mismatching next->prev_size (unsorted)")
    unsorted = m.bin_at(arena, 1)
    m.check(
        load(load(chunk + m.BK) + m.FD) == chunk and load(chunk + m.FD) == unsorted,
        "malloc(): unsorted double linked list corrupted",
    )
    m.check(not raw & PREV_INUSE, "malloc(): invalid next->prev_inuse (unsorted)")
    return size


def place(m: ModelMalloc, arena: int, chunk: int, size: int) -> None:
    """Put a chunk, taken off the unsorted list, into its small or large bin."""
    index = m.sizes.bin_index(size)
    head = m.bin_at(arena, index)
    behind = m.load(head + m.FD)
    before = head
    if not m.sizes.is_small(size):
        if behind == head:
            m.store(chunk + m.FD_NEXTSIZE, chunk)
            m.store(chunk + m.BK_NEXTSIZE, chunk)
        else:
            before, behind = _large_place(m, head, behind, chunk, size | PREV_INUSE)
    mark(m, arena, index)
    insert(m, chunk, before, behind)


def _large_place(m: ModelMalloc, head: int, first: int, chunk: int, raw: int) -> tuple[int, int]:
    """Return (before, behind) for a chunk in a large bin that is not empty, largest first; link it in the nextsize
    ring if it is the first of its size."""
    load, store = m.load, m.store
    last = load(head + m.BK)
    m.assert_that(not load(last + m.SIZE) & 4, "chunk_main_arena (bck->bk)")
    if raw < load(last + m.SIZE):
        smallest = load(first + m.BK_NEXTSIZE)
        if m.traits.largebin_tail_check:
            m.check(
                load(smallest + m.FD_NEXTSIZE) == first, "malloc(): largebin double linked list corrupted (nextsize)"
            )
        store(chunk + m.FD_NEXTSIZE, first)
        store(chunk + m.BK_NEXTSIZE, smallest)
        store(smallest + m.FD_NEXTSIZE, chunk)
        store(first + m.BK_NEXTSIZE, chunk)
        return last, head
    behind = first
    for _ in range(_ENDLESS):
        found = load(behind + m.SIZE)
        m.assert_that(not found & 4, "chunk_main_arena (fwd)")
        if raw >= found:
            break
        behind = load(behind + m.FD_NEXTSIZE)
    else:
        raise Endless("a large bin's nextsize ring does not come down")
    if raw == found:
        behind = load(behind + m.FD)
    else:
        larger = load(behind + m.BK_NEXTSIZE)
        store(chunk + m.FD_NEXTSIZE, behind)
        store(chunk + m.BK_NEXTSIZE, larger)
        m.check(load(larger + m.FD_NEXTSIZE) == behind, "malloc(): largebin double linked list corrupted (nextsize)")
        store(behind + m.BK_NEXTSIZE, chunk)
        store(load(chunk + m.BK_NEXTSIZE) + m.FD_NEXTSIZE, chunk)
    before = load(behind + m.BK)
    m.check(load(before + m.FD) == behind, "malloc(): largebin double linked list corrupted (bk)")
    return before, behind


def best_large(m: ModelMalloc, arena: int, index: int, wanted: int) -> tuple[int, int]:
    """Return (chunk, size) of the smallest chunk in large bin `index` that `wanted` fits in, (0, 0) if there is
    none. Not yet unlinked."""
    load = m.load
    head = m.bin_at(arena, index)
    chunk = load(head + m.FD)
    if chunk == head or load(chunk + m.SIZE) < wanted:
        return 0, 0
    for _ in range(_ENDLESS):
        chunk = load(chunk + m.BK_NEXTSIZE)
        size = m.size_of(chunk)
        if size >= wanted:
            break
    else:
        raise Endless("a large bin's nextsize ring does not come up")
    # not the first of its size where there is another: the ring then needs no change
    if chunk != load(head + m.BK) and load(chunk + m.SIZE) == load(load(chunk + m.FD) + m.SIZE):
        chunk = load(chunk + m.FD)
    return chunk, size


def larger_bin(m: ModelMalloc, arena: int, index: int) -> int:
    """Return the first bin from `index` on that has a chunk, by the binmap (whose stale bits are cleared on the
    way), or 0."""
    load32 = m.memory.load32
    block, bit = index >> 5, index & 31
    while block < 4:
        at = arena + m.BINMAP + 4 * block
        bits = load32(at) >> bit << bit
        while bits:
            bit = (bits & -bits).bit_length() - 1
            head = m.bin_at(arena, 32 * block + bit)
            if m.load(head + m.BK) != head:
                return 32 * block + bit
            m.memory.store32(at, load32(at) & ~(1 << bit))
            bits &= bits - 1
        block, bit = block + 1, 0
    return 0
