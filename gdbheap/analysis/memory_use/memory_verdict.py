"""What a process's resident memory comes to: growth of what is in use, memory that is kept though free, or nothing
of malloc's."""

from __future__ import annotations

import enum

from gdbheap.analysis.memory_use.residency import (
    ANONYMOUS,
    AROUND,
    DATA,
    IN_USE,
    MMAPPED,
    OWN,
    SHARED,
    STACKS,
    TOP,
    Residency,
)
from gdbheap.glibc.chunk_table import FREE_STATES

FREE = tuple(state.label for state in FREE_STATES)
LIVE = (IN_USE, MMAPPED)
MALLOC = (*LIVE, *FREE, TOP, OWN, AROUND)
_PRIVATE = (*MALLOC, ANONYMOUS, STACKS, DATA, SHARED)

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
    private, of_malloc = residency.resident(*_PRIVATE), residency.resident(*MALLOC)
    if not private:
        return MemoryVerdict.UNKNOWN
    if of_malloc < private / 2:
        return MemoryVerdict.NOT_MALLOC
    free = residency.resident(*FREE, TOP)
    if free < of_malloc * _MUCH_FREE:
        return MemoryVerdict.LIVE
    others = [top for top in residency.tops if top.arena]
    elsewhere = sum((top.resident or 0) + (top.free_resident or 0) for top in others)
    if len(others) >= _MANY_ARENAS and elsewhere >= free * 2 / 3:
        return MemoryVerdict.TOO_MANY_ARENAS
    returnable = sum(top.trimmable or 0 for top in residency.tops) + residency.kept
    return MemoryVerdict.RETENTION if returnable >= free / 2 else MemoryVerdict.FRAGMENTATION
