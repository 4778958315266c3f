"""Mmapped chunks that are no more: free gives their mapping back, and mp_ remembers that there was one."""

from __future__ import annotations

from collections.abc import Iterable

from gdbheap.analysis.facts.memory import EndsAsMapped, MappedChunks, ThresholdHasRisen
from gdbheap.glibc.chunk_table import MMAPPED_ARENA
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.sizes import align_up
from gdbheap.process.fact import Fact

# mp_.mmap_threshold before the first mmapped chunk is freed (DEFAULT_MMAP_THRESHOLD_MIN).
_THRESHOLD = 128 << 10


def moved_mapping(heap: HeapView | None, pointers: Iterable[int]) -> tuple[int, tuple[Fact, ...]] | None:
    """Return how many mmapped chunks are counted and not there, which something else than free has unmapped, and what
    speaks for that, or for one that realloc has moved elsewhere (mremap_chunk: it is counted as it was); None where
    nothing does."""
    if heap is None or heap.parameters is None or not heap.parameters["n_mmaps"]:
        return None
    first_mem = _first_mem(heap)
    if not any(pointer % heap.layout.page_size == first_mem for pointer in pointers):
        return None
    count = heap.parameters["n_mmaps"]
    missing = max(count - int((heap.table.arena == MMAPPED_ARENA).sum()), 0)
    return missing, (EndsAsMapped(first_mem), MappedChunks(count, None, missing))


def freed_mapping(heap: HeapView | None, pointers: Iterable[int]) -> tuple[bool, tuple[Fact, ...]] | None:
    """Return whether one of `pointers`, which no mapping holds, ends as malloc's pointers to mmapped chunks do, and
    what mp_ tells of such chunks that have been freed (munmap_chunk); None where it tells of none."""
    if heap is None or heap.parameters is None:
        return None
    parameters = heap.parameters
    if parameters["max_n_mmaps"] <= parameters["n_mmaps"]:
        return None
    facts: list[Fact] = [MappedChunks(parameters["n_mmaps"], parameters["max_n_mmaps"])]
    first_mem = _first_mem(heap)
    typical = any(pointer % heap.layout.page_size == first_mem for pointer in pointers)
    if typical:
        facts.append(EndsAsMapped(first_mem))
    if not parameters["no_dyn_threshold"] and parameters["mmap_threshold"] > _THRESHOLD:
        facts.append(ThresholdHasRisen(parameters["mmap_threshold"]))
    return typical, tuple(facts)


def _first_mem(heap: HeapView) -> int:
    """Return the first mem in a mapping: an i386 chunk begins 8 bytes into it, so that mem is aligned."""
    return align_up(heap.layout.header, heap.layout.alignment)
