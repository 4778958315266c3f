"""Free chunks that their list has lost: the links around them were overwritten, theirs still tell where they were."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.glibc.chunk_table import State
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_words


@dataclass(frozen=True)
class Lost:
    """`chunk` must lie between the chunks `before` (its bk, whose fd led to it) and `behind` (its fd)."""

    chunk: int
    before: int
    behind: int


def lost_from_list(heap: CheckedHeap, listed: Sequence[int]) -> Lost | None:
    """Return the chunk that a list linked both ways holds no longer, where what it holds in its place, or leads to, is
    no chunk: a free one by the header behind it, whose links lead to two chunks that the list holds."""
    strays = [chunk for chunk in listed if heap.table.row_of(chunk) is None]
    if not strays:
        return None
    chunks = {chunk for chunk in listed if heap.table.row_of(chunk) is not None}
    free = heap.has_state(State.UNKNOWN, State.SMALL, State.LARGE, State.UNSORTED) & ~heap.gap
    rows = np.flatnonzero(free)
    where = heap.table.address[rows] + np.uint64(heap.layout.header)
    links = gather_words(heap.process.memory, heap.layout.pointer_size, where, 2).tolist()
    for chunk, (fd, bk) in zip(heap.table.address[rows].tolist(), links):
        if fd not in chunks or bk not in chunks or fd == bk:
            continue
        leads = gather_words(
            heap.process.memory,
            heap.layout.pointer_size,
            np.array([bk, fd + heap.layout.pointer_size], np.uint64) + np.uint64(heap.layout.header),
        )[:, 0].tolist()
        if any(lead in strays for lead in leads) and all(lead in strays or lead == chunk for lead in leads):
            return Lost(chunk, bk, fd)
    return None
