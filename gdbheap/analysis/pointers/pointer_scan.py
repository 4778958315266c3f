"""What the walk of a heap reads, sieved as it passes: the words that could be pointers into blocks, so that no byte
is read twice for them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.columns.first_words import FirstWords
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.memory import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Places = NDArray[np.intp] | NDArray[np.uint32]
    Piece = tuple[int, int, Places, Words]


class Bounds:
    """The words within [low, high), those of 64 bits without what they have above an address's bits (tags.py): what
    no more than this is known of could be a pointer. It holds the working space of a scan."""

    def __init__(self, machine: Machine, low: int, high: int) -> None:
        """Nothing longer than BLOCK is looked at at once."""
        self.type = np.dtype(f"u{machine.pointer_size}")
        self.low, self.high = low, high
        self._from = self.type.type(low)
        # (What lies higher than programs' addresses do has no bits left for tags.)
        shift = machine.spare_bits if high <= 1 << machine.address_bits else 0
        self._shift = self.type.type(shift)
        self._span = self.type.type(max(high - low, 0) << shift)
        self._distance = np.empty(BLOCK // machine.pointer_size, self.type)
        self._inside = np.empty(BLOCK // machine.pointer_size, np.bool_)
        self._room: tuple[NDArray[np.uint32], Words] | None = None

    def within(self, words: Words) -> tuple[Places, Words]:
        """Return the places of those among these words that lie within, and those words."""
        fast = kernel(len(words))
        if fast is None or words.dtype != np.uint64 or not suits(words):
            places = self.places(words)
            return places, words[places]
        if self._room is None:
            size = len(self._distance)
            self._room = np.empty(size, np.uint32), np.empty(size, np.uint64)
        count = fast.sieve(words, (int(self._from), int(self._shift), int(self._span)), self._room)[0]
        return self._room[0][:count].copy(), self._room[1][:count].copy()

    def places(self, words: Words) -> Places:
        """Return the places of those among these words that lie within."""
        count = len(words)
        # Below `low` the difference wraps round, so one comparison serves both ends.
        distance = np.subtract(words, self._from, out=self._distance[:count])
        if self._shift:
            np.left_shift(distance, self._shift, out=distance)
        return np.flatnonzero(np.less(distance, self._span, out=self._inside[:count]))


class PointerScan:
    """An Onlooker (malloc/walk.py) that keeps what a pointer graph needs: possible pointers, also hidden ones, and
    the first words of each chunk."""

    def __init__(
        self, machine: Machine, spans: Sequence[tuple[int, int]], files: Sequence[tuple[int, int]] = ()
    ) -> None:
        """All blocks must lie in these [start, end) `spans`, which are in order; `files` are where files are mapped."""
        either = [*spans[:1], *spans[-1:], *files]
        self.bounds = Bounds(
            machine, min((low for low, _ in either), default=0), max((high for _, high in either), default=0)
        )
        self.files = Ranges(files)
        self.hidden = Hidden(machine, spans)
        self.first_words = FirstWords()
        self._pointer_size = machine.pointer_size
        self._pieces: list[Piece] = []
        # What was seen, in order, apart from each other.
        self._start: list[int] = []
        self._end: list[int] = []

    @classmethod
    def of_space(cls, machine: Machine, space: AddressSpace) -> PointerScan:
        """Return one for blocks that lie in writable mappings."""
        files = [(vma.start, vma.end) for vma in space if vma.is_file]
        return cls(machine, [(vma.start, vma.end) for vma in space if vma.writable], files)

    def see(self, base: int, words: Words, mem: NDArray[np.intp]) -> None:
        """Take what was not seen before."""
        self.first_words.see(base, words, mem)
        for low, high in list(self.gaps(base, base + len(words) * self._pointer_size)):
            first, last = -(-(low - base) // self._pointer_size), (high - base) // self._pointer_size
            fresh = words[first:last]
            start = base + first * self._pointer_size
            places, within = self.hidden.take(start, fresh, *self.bounds.within(fresh))
            if len(places):
                places = places.astype(np.uint32, copy=False)
                self._pieces.append((start, len(fresh) * self._pointer_size, places, within))
            self._mark(low, high)

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of [start, end) that were not seen."""
        index = bisect_right(self._end, start)
        while start < end:
            seen = index < len(self._start) and self._start[index] < end
            gap_end = max(self._start[index], start) if seen else end
            if start < gap_end:
                yield start, gap_end
            if not seen:
                return
            start = self._end[index]
            index += 1

    def _mark(self, start: int, end: int) -> None:
        """Add a gap to what was seen."""
        index = bisect_right(self._start, start)
        joins_last = index > 0 and self._end[index - 1] == start
        joins_next = index < len(self._start) and self._start[index] == end
        if joins_last and joins_next:
            self._end[index - 1] = self._end.pop(index)
            self._start.pop(index)
        elif joins_last:
            self._end[index - 1] = end
        elif joins_next:
            self._start[index] = start
        else:
            self._start.insert(index, start)
            self._end.insert(index, end)

    @property
    def count(self) -> int:
        """How many words were kept."""
        return sum(len(words) for _, _, _, words in self._pieces)

    def pieces(self) -> Iterator[Piece]:
        """Yield what was kept in order of address, and let go of each: where a read began, how many bytes long it
        was, the places of the words that were kept, and those words."""
        self._pieces.sort(key=lambda each: -each[0])
        while self._pieces:
            yield self._pieces.pop()
