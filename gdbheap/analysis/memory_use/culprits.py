"""Who keeps free memory apart: the live blocks that lie scattered between free chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.memory_use.residency import ResidentPages
from gdbheap.glibc.chunk_table import FREE_STATES, MMAPPED_ARENA, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Memory is looked at by pieces of so much; one with so much free in it is kept apart by what lives there.
_PIECE = 64 << 10
_MUCH_FREE = 1 / 3


@dataclass(frozen=True)
class Scattered:
    """The live blocks of pieces of memory that are free for a good part: `rows` are their chunks in the table, `bytes`
    their sizes; they and the free memory of such pieces take `spread` bytes."""

    rows: NDArray[np.intp]
    bytes: int
    spread: int


def scattered(view: HeapView) -> Scattered:
    """Return the live blocks that free memory lies between, of all arenas."""
    table = view.table
    in_heaps = table.arena != MMAPPED_ARENA
    free = np.flatnonzero(np.isin(table.state, [int(state) for state in FREE_STATES]) & in_heaps)
    live = np.flatnonzero((table.state == State.IN_USE) & in_heaps)
    ends = table.address[free] + table.size[free]
    free_bytes = ResidentPages(zip(table.address[free].tolist(), ends.tolist()))
    piece = table.address[live] // np.uint64(_PIECE) * np.uint64(_PIECE)
    share = free_bytes.within(piece, piece + np.uint64(_PIECE))
    rows = live[share >= np.uint64(int(_PIECE * _MUCH_FREE))]
    first = np.unique(
        np.concatenate((table.address[free] // np.uint64(_PIECE), (ends - np.uint64(1)) // np.uint64(_PIECE)))
    ) * np.uint64(_PIECE)
    around = free_bytes.within(first, first + np.uint64(_PIECE))
    whole = int(free_bytes.within(np.uint64(0), np.uint64((1 << 64) - 1)))
    little = int(around[around < np.uint64(int(_PIECE * _MUCH_FREE))].sum())
    size = int(table.size[rows].sum())
    return Scattered(rows, size, size + whole - little)
