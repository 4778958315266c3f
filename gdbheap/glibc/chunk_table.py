"""Chunks as columns: a heap of ten million chunks is five arrays, not ten million objects."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.starts import Starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREV_INUSE = 1
IS_MMAPPED = 2
NON_MAIN_ARENA = 4
FLAG_MASK = 7

# The `arena` column's value for chunks with a mapping of their own.
MMAPPED_ARENA = 0xFFFF


class State(enum.IntEnum):
    """What a chunk is to malloc. `label` is the published name."""

    IN_USE = 0
    TCACHE = 1
    FASTBIN = 2
    UNSORTED = 3
    SMALL = 4
    LARGE = 5
    TOP = 6
    FENCEPOST = 7
    MALLOC_OWNED = 8
    UNKNOWN = 9

    @property
    def label(self) -> str:
        """The name in text and JSON: "in_use", "tcache", ..."""
        return self.name.lower()

    @property
    def is_free(self) -> bool:
        """Whether malloc may hand the chunk out again (top not counted)."""
        return self in FREE_STATES


FREE_STATES = frozenset({State.TCACHE, State.FASTBIN, State.UNSORTED, State.SMALL, State.LARGE})


@dataclass(frozen=True)
class Chunk:
    """One row: `address` is the header's, `size` without flags, `arena` an index into HeapView.arenas or
    MMAPPED_ARENA."""

    address: int
    size: int
    flags: int
    state: State
    arena: int

    @property
    def end(self) -> int:
        return self.address + self.size

    @property
    def prev_inuse(self) -> bool:
        return bool(self.flags & PREV_INUSE)

    @property
    def is_mmapped(self) -> bool:
        return bool(self.flags & IS_MMAPPED)


class ChunkTable:
    """Chunks sorted by address. Columns: address u64, size u64 (flags off), flags u8, state u8, arena u16."""

    def __init__(
        self,
        address: NDArray[np.uint64],
        size: NDArray[np.uint64],
        flags: NDArray[np.uint8],
        state: NDArray[np.uint8],
        arena: NDArray[np.uint16],
    ) -> None:
        self.address = address
        self.size = size
        self.flags = flags
        self.state = state
        self.arena = arena

    def __len__(self) -> int:
        return len(self.address)

    @cached_property
    def starts(self) -> Starts:
        """The addresses, for many to be found at once."""
        return Starts(self.address)

    def rows_of(self, addresses: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Return the row of the chunk whose header is at each of the addresses, -1 for those at which none is."""
        rows = self.starts.before(addresses)
        rows[(rows >= 0) & (self.address[rows] != addresses)] = -1
        return rows

    def __getitem__(self, row: int) -> Chunk:
        return Chunk(
            int(self.address[row]),
            int(self.size[row]),
            int(self.flags[row]),
            State(int(self.state[row])),
            int(self.arena[row]),
        )

    def __iter__(self) -> Iterator[Chunk]:
        for row in range(len(self)):
            yield self[row]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> ChunkTable:
        """Return the table of just these rows (indices, a mask or a slice)."""
        return ChunkTable(self.address[rows], self.size[rows], self.flags[rows], self.state[rows], self.arena[rows])

    def row_of(self, address: int) -> int | None:
        """Return the row of the chunk whose header is at `address` exactly, or None."""
        if not 0 <= address < 1 << 64:
            return None
        row = int(np.searchsorted(self.address, np.uint64(address)))
        return row if row < len(self) and int(self.address[row]) == address else None

    def row_at(self, address: int) -> int | None:
        """Return the row of the chunk that holds `address`, header included, or None."""
        if not 0 <= address < 1 << 64:
            return None
        row = int(np.searchsorted(self.address, np.uint64(address), side="right")) - 1
        return row if row >= 0 and address < int(self.address[row]) + int(self.size[row]) else None
