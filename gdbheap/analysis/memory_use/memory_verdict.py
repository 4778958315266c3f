"""What a process's resident memory comes to: growth of what is in use, memory that is kept though free, or nothing
of malloc's."""

from __future__ import annotations

import enum

from gdbheap.analysis.memory_use.residency import ANONYMOUS, DATA, SHARED, STACKS, Residency

_PRIVATE = (ANONYMOUS, STACKS, DATA, SHARED)

# Below a third, free memory is what any busy heap has.
_MUCH_FREE = 1 / 3
_MANY_ARENAS = 8


class MemoryVerdict(enum.Enum):
    """The main reason for the resident size; the value is the published name."""

    LIVE = "live_growth"
    RETENTION = "retention"
    FRAGMENTATION = "fragmentation"
    TOO_MANY_ARENAS = "too_many_arenas"
    NOT_MALLOC = "not_malloc"
    UNKNOWN = "unknown"


def judge_memory(residency: Residency) -> MemoryVerdict:
    """Return the verdict; UNKNOWN where the resident pages are not known."""
    of_heap = residency.of_heap
    private = of_heap + residency.resident(*_PRIVATE)
    if not private:
        return MemoryVerdict.UNKNOWN
    if of_heap < private / 2:
        return MemoryVerdict.NOT_MALLOC
    free = residency.free
    if free < of_heap * _MUCH_FREE:
        return MemoryVerdict.LIVE
    others = [top for top in residency.tops if top.arena]
    elsewhere = sum((top.resident or 0) + (top.free_resident or 0) for top in others)
    if len(others) >= _MANY_ARENAS and elsewhere >= free * 2 / 3:
        return MemoryVerdict.TOO_MANY_ARENAS
    returnable = sum(top.trimmable or 0 for top in residency.tops) + residency.kept
    return MemoryVerdict.RETENTION if returnable >= free / 2 else MemoryVerdict.FRAGMENTATION
