"""Who keeps free memory apart: the live blocks that lie scattered between free chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.heap import Heap
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.live.resident_pages import ResidentPages

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Memory is looked at by pieces of so much; one with so much free in it is kept apart by what lives there.
_PIECE = 64 << 10
_MUCH_FREE = 1 / 3


@dataclass(frozen=True)
class Scattered:
    """The live blocks of pieces of memory that are free for a good part: `blocks` are their
    indices, `bytes` their sizes; they and the free memory of such pieces take `spread` bytes."""

    blocks: NDArray[np.intp]
    bytes: int
    spread: int


def scattered(heap: Heap) -> Scattered:
    """Return the live blocks that free memory lies between."""
    free = [part for part in heap.parts() if part.is_free]
    starts = np.concatenate([np.empty(0, np.uint64), *(part.start for part in free)])
    ends = np.concatenate([np.empty(0, np.uint64), *(part.start + part.size for part in free)])
    free_bytes = ResidentPages(zip(starts.tolist(), ends.tolist()))
    blocks = heap.blocks()
    piece = blocks.start // np.uint64(_PIECE) * np.uint64(_PIECE)
    share = free_bytes.within(piece, piece + np.uint64(_PIECE))
    among = np.flatnonzero(share >= np.uint64(int(_PIECE * _MUCH_FREE)))
    first = distinct(np.concatenate((starts // np.uint64(_PIECE), (ends - np.uint64(1)) // np.uint64(_PIECE))))
    around = free_bytes.within(first * np.uint64(_PIECE), (first + np.uint64(1)) * np.uint64(_PIECE))
    whole = int(free_bytes.within(np.uint64(0), np.uint64((1 << 64) - 1)))
    little = int(around[around < np.uint64(int(_PIECE * _MUCH_FREE))].sum())
    size = int(blocks.size[among].sum())
    return Scattered(among, size, size + whole - little)
