"""fastbins: the single lists of small freed chunks that keep their P bit, and what merges them (to glibc 2.42)."""

from __future__ import annotations

from gdbheap.model import bins
from gdbheap.model.errors import Abort, Endless
from gdbheap.model.machine import PREV_INUSE, ModelMalloc

_ENDLESS = 1 << 20


def may_serve(m: ModelMalloc, size: int) -> bool:
    """Return whether malloc looks into a fastbin for a chunk of `size`."""
    if not m.traits.has_fastbins:
        return False
    return size <= (largest(m) if m.global_max_fast is None else m.global_max_fast)


def takes(m: ModelMalloc, size: int) -> bool:
    """Return whether free puts a chunk of `size` into a fastbin."""
    if not may_serve(m, size) or m.global_max_fast is not None:
        return may_serve(m, size)
    m.step("default of global_max_fast", default(m))
    return size <= default(m)


def default(m: ModelMalloc) -> int:
    """Return the largest chunk that goes into a fastbin where nobody has changed it (DEFAULT_MXFAST)."""
    return max_fast(m, 64 * m.pointer_size // 4)


def largest(m: ModelMalloc) -> int:
    """Return the largest chunk that can be made to go into a fastbin (MAX_FAST_SIZE)."""
    return max_fast(m, 80 * m.pointer_size // 4)


def max_fast(m: ModelMalloc, request: int) -> int:
    """Return what set_max_fast makes of the largest request."""
    return m.header if request <= m.align - 1 - m.pointer_size else (request + m.pointer_size) & -m.align


def head_of(m: ModelMalloc, arena: int, index: int) -> int:
    """Return where the head of fastbin `index` is stored."""
    return arena + m.FASTBINS + index * m.pointer_size


def take(m: ModelMalloc, arena: int, size: int) -> int:
    """Pop a chunk of `size`; return it, or 0 where the fastbin is empty."""
    index = m.sizes.fast_index(size)
    at = head_of(m, arena, index)
    chunk = m.load(at)
    if not chunk:
        return 0
    if m.traits.safe_linking and m.misaligned(chunk):
        raise Abort("malloc(): unaligned fastbin chunk detected 2")
    _pop(m, at, chunk)
    m.check(m.sizes.fast_index(m.size_of(chunk)) == index, "malloc(): memory corruption (fast)")
    return chunk


def take_more(m: ModelMalloc, arena: int, size: int) -> int:
    """Pop another chunk for the tcache; return it, or 0."""
    at = head_of(m, arena, m.sizes.fast_index(size))
    chunk = m.load(at)
    if not chunk:
        return 0
    if m.traits.safe_linking and m.misaligned(chunk):
        raise Abort("malloc(): unaligned fastbin chunk detected 3")
    _pop(m, at, chunk)
    return chunk


def _pop(m: ModelMalloc, at: int, chunk: int) -> None:
    following = m.protect(chunk + m.FD, m.load(chunk + m.FD))
    # mirrors REMOVE_FB, which threads use instead of a plain store
    if m.traits.safe_linking and not m.single_threaded and following and m.misaligned(following):
        raise Abort("malloc(): unaligned fastbin chunk detected")
    m.store(at, following)


def put(m: ModelMalloc, arena: int, chunk: int, size: int, locked: bool) -> None:
    """Push a freed chunk; `locked` says whether the arena is held already (what malloc frees itself)."""
    behind = chunk + size
    m.check(
        m.load(behind + m.SIZE) > m.header and m.size_of(behind) < m.load(arena + m.SYSTEM_MEM),
        "free(): invalid next size (fast)",
    )
    m.memory.store32(arena + m.HAVE_FASTCHUNKS, 1)
    index = m.sizes.fast_index(size)
    at = head_of(m, arena, index)
    old = m.load(at)
    m.check(old != chunk, "double free or corruption (fasttop)")
    m.store(chunk + m.FD, m.protect(chunk + m.FD, old))
    m.store(at, chunk)
    if locked and old and m.sizes.fast_index(m.size_of(old)) != index:
        raise Abort("invalid fastbin entry (free)")


def have_chunks(m: ModelMalloc, arena: int) -> bool:
    """Return have_fastchunks: whether a fastbin may have something."""
    return m.traits.has_fastbins and m.memory.load32(arena + m.HAVE_FASTCHUNKS) != 0


def consolidate(m: ModelMalloc, arena: int) -> None:
    """Merge every fastbin chunk with its free neighbours, into the unsorted list or top (malloc_consolidate)."""
    if not m.traits.has_fastbins:
        return
    m.memory.store32(arena + m.HAVE_FASTCHUNKS, 0)
    for index in range(m.traits.fastbins):
        at = head_of(m, arena, index)
        chunk = m.load(at)
        m.store(at, 0)
        for _ in range(_ENDLESS):
            if not chunk:
                break
            if m.traits.safe_linking and m.misaligned(chunk):
                raise Abort("malloc_consolidate(): unaligned fastbin chunk detected")
            m.check(m.sizes.fast_index(m.size_of(chunk)) == index, "malloc_consolidate(): invalid chunk size")
            following = m.protect(chunk + m.FD, m.load(chunk + m.FD))
            _merge(m, arena, chunk)
            chunk = following
        else:
            raise Endless(f"fastbin {index} does not end")


def _merge(m: ModelMalloc, arena: int, chunk: int) -> None:
    load, store = m.load, m.store
    size = m.size_of(chunk)
    behind = chunk + size
    behind_size = m.size_of(behind)
    if not load(chunk + m.SIZE) & PREV_INUSE:
        before = load(chunk)
        size += before
        chunk = (chunk - before) & m.mask
        m.check(m.size_of(chunk) == before, "corrupted size vs. prev_size in fastbins")
        bins.unlink(m, chunk)
    if behind == load(arena + m.TOP):
        store(chunk + m.SIZE, (size + behind_size) | PREV_INUSE)
        store(arena + m.TOP, chunk)
        return
    if load(behind + behind_size + m.SIZE) & PREV_INUSE:
        store(behind + m.SIZE, load(behind + m.SIZE) & ~PREV_INUSE)
    else:
        size += behind_size
        bins.unlink(m, behind)
    unsorted = m.bin_at(arena, 1)
    first = load(unsorted + m.FD)
    store(unsorted + m.FD, chunk)
    store(first + m.BK, chunk)
    bins.forget_nextsize(m, chunk, size)
    store(chunk + m.SIZE, size | PREV_INUSE)
    store(chunk + m.BK, unsorted)
    store(chunk + m.FD, first)
    store(chunk + size, size)
