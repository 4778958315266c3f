"""Blocks: what the program has from its allocator and has not given back, as columns."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.starts import Starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Blocks no further apart than this are read in one go: what lies between costs less than another read.
_NEAR = 1 << 16


@dataclass(frozen=True)
class Blocks:
    """The blocks in use, in address order: the user's bytes are [start, end); `size` is what each takes of the
    allocator's memory, `row` its number there (glibc: the chunk's row in the table).

    `end` is where the usable bytes end (glibc: a heap chunk's reach into the next one's prev_size).
    """

    start: NDArray[np.uint64]
    end: NDArray[np.uint64]
    size: NDArray[np.uint64]
    row: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def starts(self) -> Starts:
        """The starts, for many to be found at once."""
        return Starts(self.start)

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
