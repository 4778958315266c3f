"""What the compiled loops search in, and what they fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdbheap.kernel.arrays import pointer
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Edges:
    """Edges, piece by piece: source, place in it, target and offset of each, all in 32 bits."""

    def __init__(self, add: Any, table: CompiledStarts, end: NDArray[np.uint64]) -> None:
        self._add, self._table, self._end = add, table, end
        self._columns = tuple(np.empty(0, kind) for kind in (np.int32, np.uint32, np.int32, np.uint32))
        # What kernel.c calls struct edges.
        self._out = np.zeros(5, np.uint64)
        self._found = 0

    def reserve(self, words: int) -> None:
        """Have room for the edges of so many more words."""
        room = len(self._columns[0])
        if self._found + words > room:
            room = max(self._found + words, room + room // 2)
            grown = tuple(np.empty(room, column.dtype) for column in self._columns)
            for one, other in zip(grown, self._columns):
                one[: self._found] = other[: self._found]
            self._columns = grown
            self._out[:4] = [pointer(column) for column in grown]

    def add(self, piece: tuple[int, NDArray[np.uint32], NDArray[np.uint64]]) -> None:
        """Add those of the words of a piece (its address, places in it and the words there) that lie in one block and
        point into one."""
        address, places, words = piece
        assert len(places) == len(words)
        self.reserve(len(words))
        told = pointer(self._table.told), pointer(self._end), address, pointer(places), pointer(words), len(words)
        self._add(*told, pointer(self._out))
        self._found = int(self._out[4])

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Return all of them."""
        return tuple(column[: self._found] for column in self._columns)


class Regions:
    """Where starts lie close together: each region begins at `low`, with the start of that `row`, and has its part of a
    table from `first` on, of `most` places and one more."""

    def __init__(self, low: NDArray[np.uint64], row: NDArray[np.int64], most: NDArray[np.uint64]) -> None:
        self.low, self.row, self.most = low, row, most
        buckets = most.astype(np.int64) + 1
        self.first = np.cumsum(buckets) - buckets
        self.places = int(buckets.sum())


class CompiledStarts:
    """Where to begin among `starts`. `told` is what kernel.c calls struct starts."""

    def __init__(self, starts: NDArray[np.uint64], regions: Regions, table: NDArray[np.int32], shift: int) -> None:
        self.starts, self.regions, self.table = starts, regions, table
        columns = (pointer(each) for each in (starts, regions.low, regions.first, regions.most, table))
        at, low, first, most, places = columns
        self.told = np.array(
            [at, len(starts), low, first, most, len(regions.low), places, len(table), shift], np.uint64
        )
