"""Blocks: what the program has from malloc and has not given back, as columns for the pointer graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import IS_MMAPPED, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Blocks no further apart than this are read in one go: what lies between costs less than another read.
_NEAR = 1 << 16


@dataclass(frozen=True)
class Blocks:
    """The blocks in use, in address order: the user's bytes are [start, end); `row` is the chunk's in the table, `size`
    the chunk's.

    `end` is where the usable bytes end: a heap chunk's reach into the next one's prev_size.
    """

    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    size: NDArray[np.uint64]
    row: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.start)

    def find(self, address: int) -> int | None:
        """Return the index of the block that holds `address`, or None."""
        if not 0 <= address < 1 << 64:
            return None
        index = int(np.searchsorted(self.start, np.uint64(address), side="right")) - 1
        return index if index >= 0 and address < int(self.end[index]) else None

    def ranges(self) -> list[tuple[int, int]]:
        """Return the [start, end) to read so that every block is read, in order; what lies between near blocks is
        read with them."""
        if not len(self):
            return []
        breaks = np.flatnonzero(self.start[1:] > self.end[:-1] + np.uint64(_NEAR)) + 1
        first = np.concatenate(([0], breaks))
        last = np.concatenate((breaks, [len(self)])) - 1
        return list(zip(self.start[first].tolist(), self.end[last].tolist()))


def live_blocks(view: HeapView) -> Blocks:
    """Return the blocks of the chunks in use. Malloc's own chunks (a tcache's struct) are none of the program's."""
    table, layout = view.table, view.layout
    row = np.flatnonzero(table.state == State.IN_USE)
    address, size = table.address[row], table.size[row]
    # mirrors memsize(): the next chunk's prev_size is the block's, but an mmapped chunk has no next one (to glibc 2.42;
    # see usable_size)
    has_next = ((table.flags[row] & IS_MMAPPED) == 0) | bool(layout.mmapped_overhead)
    shared = np.where(has_next, np.uint64(layout.pointer_size), np.uint64(0))
    start = address + np.uint64(layout.header)
    return Blocks(start, np.maximum(address + size + shared, start), size, row)
