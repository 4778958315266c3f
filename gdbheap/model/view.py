"""What a modelled process's malloc holds: every chunk with its state, every free list in order. The answer sheet for
those who read heaps."""

from __future__ import annotations

from dataclasses import dataclass

from gdbheap.model import arenas
from gdbheap.model.errors import Endless
from gdbheap.model.fastbins import head_of
from gdbheap.model.machine import FLAGS, ModelMalloc

MMAPPED = -1
"""Stands for an arena in chunks with a mapping of their own."""
_ENDLESS = 1 << 22


@dataclass(frozen=True)
class ModelChunk:
    """`size` without flags; `state` one of in_use, tcache, fastbin, unsorted, small, large, top, fencepost,
    malloc_owned; `arena` counts along the ring of arenas (0: main), MMAPPED for none."""

    address: int
    size: int
    flags: int
    state: str
    arena: int


@dataclass(frozen=True)
class FreeList:
    """`kind`: tcache, fastbin, unsorted, small or large; `owner`: a thread's index for a tcache, else an arena's.
    `chunks` in the order in which malloc takes them: from the head of single lists, from the bk side of the
    others."""

    kind: str
    index: int
    owner: int
    chunks: tuple[int, ...]


def free_lists(m: ModelMalloc) -> list[FreeList]:
    """Return every list that is not empty."""
    found = []
    for number, thread in enumerate(m.threads):
        if thread.tcache:
            found += [
                FreeList("tcache", index, number, _cached(m, thread.tcache, index))
                for index in range(m.traits.tcache_bins)
            ]
    for number, arena in enumerate(arenas.ring(m)):
        for index in range(m.traits.fastbins):
            found.append(FreeList("fastbin", index, number, _fast(m, arena, index)))
        for index in range(1, 127):
            kind = "unsorted" if index == 1 else "small" if index < m.sizes.large_index(m.sizes.min_large) else "large"
            found.append(FreeList(kind, index, number, _binned(m, arena, index)))
    return [each for each in found if each.chunks]


def _cached(m: ModelMalloc, table: int, index: int) -> tuple[int, ...]:
    mem = m.load(table + m.traits.tcache_entries + index * m.pointer_size)
    chunks = []
    while mem:
        chunks.append(mem - m.header)
        mem = m.protect(mem, m.load(mem))
        _bound(chunks)
    return tuple(chunks)


def _fast(m: ModelMalloc, arena: int, index: int) -> tuple[int, ...]:
    chunk = m.load(head_of(m, arena, index))
    chunks = []
    while chunk:
        chunks.append(chunk)
        chunk = m.protect(chunk + m.FD, m.load(chunk + m.FD))
        _bound(chunks)
    return tuple(chunks)


def _binned(m: ModelMalloc, arena: int, index: int) -> tuple[int, ...]:
    head = m.bin_at(arena, index)
    chunk = m.load(head + m.BK)
    chunks = []
    while chunk != head:
        chunks.append(chunk)
        chunk = m.load(chunk + m.BK)
        _bound(chunks)
    return tuple(chunks)


def _bound(chunks: list[int]) -> None:
    if len(chunks) > _ENDLESS:
        raise Endless("a free list does not end")


def chunks(m: ModelMalloc) -> list[ModelChunk]:
    """Return every chunk in order of address."""
    states = {chunk: each.kind for each in free_lists(m) for chunk in each.chunks}
    states.update({thread.tcache - m.header: "malloc_owned" for thread in m.threads if thread.tcache})
    found = []
    for number, arena in enumerate(arenas.ring(m)):
        top = m.load(arena + m.TOP)
        for start in m.main_stretches if arena == m.main_arena else _heap_starts(m, arena):
            found += _walk(m, start, top, number, states)
    for chunk in m.mmapped_chunks:
        raw = m.load(chunk + m.SIZE)
        found.append(ModelChunk(chunk, raw & ~FLAGS, raw & FLAGS, states.get(chunk, "in_use"), MMAPPED))
    return sorted(found, key=lambda each: each.address)


def _heap_starts(m: ModelMalloc, arena: int) -> list[int]:
    """Return the first chunk of each heap of a non-main arena."""
    starts = []
    for heap in arenas.heaps(m, arena):
        start = heap + m.traits.heap_info_size
        if start == arena:
            start += m.traits.arena_size
            start += -(start + m.header) & (m.align - 1)
        starts.append(start)
    return starts


def _walk(m: ModelMalloc, chunk: int, top: int, arena: int, states: dict[int, str]) -> list[ModelChunk]:
    """Return the chunks from one on to top, or to the fenceposts."""
    found = []
    for _ in range(_ENDLESS):
        raw = m.load(chunk + m.SIZE)
        size = raw & ~FLAGS
        if chunk == top:
            found.append(ModelChunk(chunk, size, raw & FLAGS, "top", arena))
            return found
        if size <= m.header or m.load(chunk + size + m.SIZE) <= FLAGS:
            return found + _fenceposts(m, chunk, size, arena)
        found.append(ModelChunk(chunk, size, raw & FLAGS, states.get(chunk, "in_use"), arena))
        chunk += size
    raise Endless("the chunks do not lead to top")


def _fenceposts(m: ModelMalloc, chunk: int, size: int, arena: int) -> list[ModelChunk]:
    """Return the two headers that end a stretch, of which the first may be as large as a chunk."""
    posts = []
    for at in (chunk, chunk + size):
        raw = m.load(at + m.SIZE)
        posts.append(ModelChunk(at, raw & ~FLAGS, raw & FLAGS, "fencepost", arena))
    return posts
