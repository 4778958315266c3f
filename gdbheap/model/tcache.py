"""tcache: each thread's lists of freed chunks, kept by size."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.model.errors import Abort, Endless
from gdbheap.model.machine import ModelMalloc, ModelThread

SMALL_BINS = 64
_ENDLESS = 1 << 20


def bin_of(m: ModelMalloc, size: int) -> int:
    """Return the tcache bin of a chunk size (csize2tidx, and from 2.42 large_csize2tidx). It may be past the last
    bin."""
    if not m.traits.tcache_counts_slots:
        return ((size - m.min_size + m.align - 1) & m.mask) // m.align
    index = ((size - m.min_size) & m.mask) // m.align
    if index < SMALL_BINS or size < m.min_size:
        return index
    largest = largest_small(m) - (m.pointer_size if m.traits.tcache_max_unmet else 0)
    return SMALL_BINS + size.bit_length() - largest.bit_length()


def largest_small(m: ModelMalloc) -> int:
    """Return the size of the chunks in the last small bin."""
    return m.min_size + (SMALL_BINS - 1) * m.align


def caches(m: ModelMalloc, size: int) -> bool:
    """Return whether chunks of `size` may be cached at all, large bins included."""
    if not m.traits.has_tcache:
        return False
    if m.traits.tcache_max_past:
        return size < m.parameter("tcache_max_bytes")
    return bin_of(m, size) < m.parameter("tcache_bins")


def stashes(m: ModelMalloc, size: int) -> bool:
    """Return whether malloc puts spare chunks of `size` into the tcache as it passes: small bins only."""
    if not m.traits.has_tcache:
        return False
    if m.traits.tcache_lazy:
        return ((size - m.min_size) & m.mask) // m.align < m.parameter("tcache_bins")
    return m.thread.tcache != 0 and bin_of(m, size) < m.parameter("tcache_bins")


def room(m: ModelMalloc, index: int) -> bool:
    """Return whether bin `index` takes another chunk."""
    table = m.thread.tcache
    if not table:
        return False
    count = _count(m, table, index)
    return count != 0 if m.traits.tcache_counts_slots else count < m.parameter("tcache_count")


def holds(m: ModelMalloc, index: int) -> bool:
    """Return whether malloc would take from bin `index`."""
    table = m.thread.tcache
    if not table:
        return False
    if m.traits.tcache_counts_slots:
        return m.load(head_of(m, index)) != 0
    return _count(m, table, index) > 0


def set_count(m: ModelMalloc, table: int, index: int, count: int) -> None:
    """Set the counter of bin `index` of a tcache."""
    if m.traits.tcache_counts_bytes:
        m.memory.write(table + index, bytes([count & 0xFF]))
    else:
        m.memory.store16(table + 2 * index, count)


def _count(m: ModelMalloc, table: int, index: int) -> int:
    if m.traits.tcache_counts_bytes:
        return m.memory.read(table + index, 1)[0]
    return m.memory.load16(table + 2 * index)


def head_of(m: ModelMalloc, index: int) -> int:
    """Return where the head of bin `index` is stored."""
    return m.thread.tcache + m.traits.tcache_entries + index * m.pointer_size


def key(m: ModelMalloc) -> int:
    """Return what marks a cached chunk."""
    return m.tcache_key if m.traits.random_tcache_key else m.thread.tcache


def put(m: ModelMalloc, chunk: int, index: int) -> None:
    """Push a chunk (tcache_put)."""
    _link(m, chunk + m.header, index, head_of(m, index), False)


def put_large(m: ModelMalloc, chunk: int, index: int) -> None:
    """Insert a chunk in order of size (tcache_put_large)."""
    at, mangled, _ = _seek(m, index, m.size_of(chunk))
    _link(m, chunk + m.header, index, at, mangled)


def get(m: ModelMalloc, index: int) -> int:
    """Pop a chunk; return its mem (tcache_get)."""
    return _unlink(m, index, head_of(m, index), False)


def take(m: ModelMalloc, size: int, alignment: int = 1) -> int:
    """Return the mem of a cached chunk of `size` at a multiple of `alignment`, or 0 if there is none."""
    index = bin_of(m, size)
    if not caches(m, size) or not holds(m, index):
        return 0
    if m.traits.tcache_large_fit and index >= SMALL_BINS and alignment == 1:
        at, mangled, mem = _seek_fit(m, index, size)
    elif m.traits.tcache_counts_slots and (index >= SMALL_BINS or alignment > 1):
        at, mangled, mem = _seek(m, index, size, alignment)
    elif alignment > 1:
        at, mangled, mem = _seek_aligned(m, index, alignment)
    else:
        at, mangled, mem = head_of(m, index), False, 1
    if not mem:
        return 0
    mem = _unlink(m, index, at, mangled)
    m.step("tcache", index, mem)
    return mem


def entries(m: ModelMalloc, index: int) -> Iterator[tuple[int, int]]:
    """Yield (where the link is stored, mem) along bin `index`."""
    at = head_of(m, index)
    mem = m.load(at)
    for _ in range(_ENDLESS):
        if not mem:
            return
        yield at, mem
        at, mem = mem, m.protect(mem, m.load(mem))
    raise Endless(f"tcache bin {index} does not end")


def _seek(m: ModelMalloc, index: int, size: int, alignment: int = 1) -> tuple[int, bool, int]:
    """Return (link, link is mangled, mem) of the first chunk of exactly `size`; with mem 0, the link where a chunk
    of `size` belongs."""
    at = head_of(m, index)
    mem = m.load(at)
    mangled = False
    for _ in range(_ENDLESS):
        found = m.size_of(mem - m.header) if mem else 0
        if not mem or found > size:
            return at, mangled, 0
        if found == size and not mem & (alignment - 1):
            return at, mangled, mem
        at, mem, mangled = mem, m.protect(mem, m.load(mem)), True
    raise Endless(f"tcache bin {index} does not end")


def _seek_fit(m: ModelMalloc, index: int, size: int) -> tuple[int, bool, int]:
    """Return what _seek() does, of the first chunk of `size` or more; the list is in order of size."""
    for at, mem in entries(m, index):
        if m.size_of(mem - m.header) >= size:
            return at, at != head_of(m, index), mem
    return 0, False, 0


def _seek_aligned(m: ModelMalloc, index: int, alignment: int) -> tuple[int, bool, int]:
    for at, mem in entries(m, index):
        if not mem & (alignment - 1):
            return at, at != head_of(m, index), mem
    return 0, False, 0


def _link(m: ModelMalloc, mem: int, index: int, at: int, mangled: bool) -> None:
    table = m.thread.tcache
    slots = _count(m, table, index)
    if m.traits.tcache_key:
        m.store(mem + m.pointer_size, key(m))
    following = m.protect(at, m.load(at)) if mangled else m.load(at)
    m.store(mem, m.protect(mem, following))
    m.store(at, m.protect(at, mem) if mangled else mem)
    # which of the two is read before the links are written matters where a broken heap has the tcache itself freed
    set_count(m, table, index, slots - 1 if m.traits.tcache_counts_slots else _count(m, table, index) + 1)


def _unlink(m: ModelMalloc, index: int, at: int, mangled: bool) -> int:
    mem = m.protect(at, m.load(at)) if mangled else m.load(at)
    if m.traits.safe_linking and mem & (m.align - 1):
        raise Abort("malloc(): unaligned tcache chunk detected")
    following = m.protect(mem, m.load(mem))
    m.store(at, m.protect(at, following) if mangled else following)
    table = m.thread.tcache
    set_count(m, table, index, _count(m, table, index) + (1 if m.traits.tcache_counts_slots else -1))
    if m.traits.tcache_key:
        m.store(mem + m.pointer_size, 0)
    return mem


def verify_not_cached(m: ModelMalloc, mem: int, size: int) -> None:
    """Abort if `mem`, whose second word is the key, is in the tcache already (tcache_double_free_verify)."""
    every = m.traits.tcache_walks_all_bins
    if every and not m.thread.tcache:
        bins: tuple[int, ...] = ()
    else:
        bins = tuple(range(m.traits.tcache_bins)) if every else (bin_of(m, size),)
    for index in bins:
        for seen, (_, each) in enumerate(entries(m, index)):
            if m.traits.tcache_walk_limit and seen >= m.parameter("tcache_count"):
                raise Abort("free(): too many chunks detected in tcache")
            if m.traits.safe_linking and each & (m.align - 1):
                raise Abort("free(): unaligned chunk detected in tcache 2")
            if each == mem:
                raise Abort("free(): double free detected in tcache 2")


def shut_down(m: ModelMalloc, thread: ModelThread) -> Iterator[int]:
    """Take a dying thread's tcache away and yield the mems to be freed: all that is cached, then the struct
    (tcache_thread_shutdown)."""
    table = thread.tcache
    thread.tcache = 0
    thread.no_tcache = True
    if not table:
        return
    for index in range(m.traits.tcache_bins):
        at = table + m.traits.tcache_entries + index * m.pointer_size
        for _ in range(_ENDLESS):
            mem = m.load(at)
            if not mem:
                break
            if m.traits.safe_linking and mem & (m.align - 1):
                raise Abort("tcache_thread_shutdown(): unaligned tcache chunk detected")
            m.store(at, m.protect(mem, m.load(mem)))
            yield mem
    yield table
