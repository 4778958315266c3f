"""How much of the heap is in use, free, and top: by arena, by state, by size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import FREE_STATES, ChunkTable, State
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Values of the table's column of arenas; rows that are counted at a time.
_ARENAS, _SLICE = 1 << 16, 1 << 20
_LIVE_STATES = (State.IN_USE, State.MALLOC_OWNED)


@dataclass(frozen=True)
class Tally:
    """How many chunks, and their bytes, headers included."""

    count: int = 0
    bytes: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, self.bytes + other.bytes)


@dataclass(frozen=True)
class HeapUsage:
    """The chunks of a part of the heap, by state. Malloc's own chunks count as in use; top and fenceposts are
    neither in use nor free."""

    by_state: Mapping[State, Tally]

    def of(self, *states: State) -> Tally:
        """Return the tally of these states together."""
        return sum((self.by_state.get(state, Tally()) for state in states), Tally())

    @property
    def in_use(self) -> Tally:
        return self.of(*_LIVE_STATES)

    @property
    def free(self) -> Tally:
        return self.of(*FREE_STATES)

    @property
    def top(self) -> Tally:
        return self.of(State.TOP)


def usage(table: ChunkTable) -> HeapUsage:
    """Return the usage of all chunks in the table."""
    return HeapUsage(_tallies(table, np.zeros(_ARENAS, np.int64), 1)[0])


def usage_by_arena(table: ChunkTable) -> dict[int, HeapUsage]:
    """Return the usage of each arena that has chunks (MMAPPED_ARENA among them), in one pass over the table."""
    arenas = np.flatnonzero(sum(np.bincount(part.arena, minlength=_ARENAS) for part in _slices(table)))
    place = np.zeros(_ARENAS, np.int64)
    place[arenas] = np.arange(len(arenas))
    tallies = _tallies(table, place, len(arenas))
    return {int(arena): HeapUsage(each) for arena, each in zip(arenas, tallies)}


def _slices(table: ChunkTable) -> Iterator[ChunkTable]:
    """Yield the table in parts that take little memory, one at least."""
    for first in range(0, max(len(table), 1), _SLICE):
        yield table.take(slice(first, first + _SLICE))


def _tallies(table: ChunkTable, place: NDArray[np.int64], parts: int) -> list[dict[State, Tally]]:
    """Return for each part 0..parts-1 the tallies by state; `place` holds each arena's part."""
    states, half = len(State), np.uint64(32)
    counts, sums = [0] * (parts * states), [0] * (parts * states)
    for rows in _slices(table):
        keys = place[rows.arena] * states + rows.state
        # (Weights are floats, exact to 2**53: halves of so few sizes do not reach it.)
        low, high = (rows.size << half) >> half, rows.size >> half
        found = (np.bincount(keys, each, parts * states).tolist() for each in (None, low, high))
        for key, (count, below, above) in enumerate(zip(*found)):
            counts[key] += count
            sums[key] = (sums[key] + int(below) + (int(above) << 32)) % (1 << 64)
    return [
        {
            state: Tally(counts[part * states + state], sums[part * states + state])
            for state in State
            if counts[part * states + state]
        }
        for part in range(parts)
    ]


@dataclass(frozen=True)
class SizeClass:
    """The chunks of one size, mmapped ones included: how many are in use (malloc's own among them) and free."""

    size: int
    in_use: int
    free: int

    @property
    def in_use_bytes(self) -> int:
        return self.size * self.in_use

    @property
    def free_bytes(self) -> int:
        return self.size * self.free


def size_classes(view: HeapView) -> Iterator[SizeClass]:
    """Yield every size that occurs among chunks in use and free, ascending."""
    table = view.table
    masks = [
        np.isin(table.state, [int(state) for state in _LIVE_STATES]),
        np.isin(table.state, [int(state) for state in FREE_STATES]),
    ]
    sizes = distinct(table.size[masks[0] | masks[1]])
    counts = [np.bincount(np.searchsorted(sizes, table.size[mask]), minlength=len(sizes)).tolist() for mask in masks]
    for size, in_use, free in zip(sizes.tolist(), *counts):
        yield SizeClass(size, in_use, free)
