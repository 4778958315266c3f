"""HeapView: all that malloc has, as one value: arenas, chunks, bins, and what is broken."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import Chunk, ChunkTable
from gdbheap.glibc.layout import Layout
from gdbheap.lazy import dataclass, np
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Fault

if TYPE_CHECKING:
    from numpy.typing import NDArray


# The bit of malloc_state.flags that says that the arena's memory need not be one stretch (NONCONTIGUOUS_BIT).
NONCONTIGUOUS = 2
_LOCKED = (1, 2)


@dataclass(frozen=True)
class Region:
    """A stretch that holds chunks without a hole, [start, end): `start` is the first chunk's address, `end` where its
    last chunk ends.

    `mapping` is the address where the heap itself starts (the heap_info of a non-main heap; `start` rounded down to
    a page in main).
    """

    arena: int
    mapping: int
    start: int
    end: int


@dataclass(frozen=True)
class Arena:
    """An arena: `index` its place in the ring (0 is main), `value` its malloc_state as read. `top` is what its heaps
    lead to where what the field holds can be none."""

    index: int
    address: int
    value: StructValue
    regions: tuple[Region, ...]
    top: int
    top_size: int

    @property
    def is_main(self) -> bool:
        return self.index == 0

    @property
    def is_locked(self) -> bool:
        """Whether its mutex is taken: the lock word is 1, or 2 where others wait for it (lll_lock)."""
        return self.value["mutex"] in _LOCKED

    @property
    def system_mem(self) -> int:
        """Bytes that the arena has from the system."""
        return self.value["system_mem"]


@dataclass(frozen=True)
class Bin:
    """One free list.

    `kind` is "tcache", "fastbin", "unsorted", "small" or "large"; `index` counts as glibc does (tcache and fastbin
    from 0, the others 1..126). `arena` is the arena's index (None for a tcache bin), `thread` the lwp and
    `thread_number` gdb's (None for the others). `min_size`..`max_size` are the chunk sizes that belong there, both
    included (max_size None: no bound). `chunks` are chunk addresses in list order: from the head for tcache and
    fastbin; from the side where malloc takes for the others (bk first). `count` is the count that malloc keeps
    (tcache only, in cached chunks), else None. `fault` ends the list early (of a list linked both ways, the chunks
    from its other end follow).
    """

    kind: str
    index: int
    arena: int | None
    thread: int | None
    min_size: int
    max_size: int | None
    chunks: Sequence[int]
    count: int | None = None
    fault: Fault | None = None
    thread_number: int | None = None


@dataclass(frozen=True)
class BinPlace:
    """Where a free chunk is: `bin`, and its `position` from 0."""

    bin: Bin
    position: int


@dataclass(frozen=True)
class HeapView:
    """What read_heap returns. `complete` is False where a walk was cut short (Ctrl-C); `notes` say what could not be
    known."""

    layout: Layout
    arenas: tuple[Arena, ...]
    table: ChunkTable
    bins: tuple[Bin, ...]
    faults: tuple[Fault, ...]
    parameters: StructValue | None = None
    notes: tuple[Fact, ...] = ()
    complete: bool = True
    _numbers: dict[int, int] = field(default_factory=dict, repr=False, compare=False)
    _starts: list[int] = field(default_factory=list, repr=False, compare=False)

    def chunk_at(self, address: int) -> Chunk | None:
        """Return the chunk that holds `address` (header included), or None."""
        row = self.table.row_at(address)
        return None if row is None else self.table[row]

    def user_of(self, address: int) -> Chunk | None:
        """Return the chunk whose memory the address is in, as its user sees it: the word of prev_size is the
        previous chunk's last while that one is in use (or in a tcache or fastbin). Else as chunk_at()."""
        chunk = self.chunk_at(address)
        if chunk is None or not chunk.prev_inuse or address >= chunk.address + self.layout.pointer_size:
            return chunk
        before = self.chunk_at(chunk.address - 1)
        return chunk if before is None else before

    def sizes_of(self, chunks: Sequence[int]) -> NDArray[np.uint64]:
        """Return the sizes of chunks by address, 0 where no chunk begins."""
        table = self.table
        if not len(table):
            return np.zeros(len(chunks), np.uint64)
        rows = table.rows_of(np.array(chunks, np.uint64))
        return np.where(rows >= 0, table.size[rows], np.uint64(0))

    def place_of(self, address: int) -> BinPlace | None:
        """Return the place of the free chunk at `address` (its first, should several lists hold it), or None."""
        number = self.numbers().get(address)
        if number is None:
            return None
        index = self.list_of(number)
        return BinPlace(self.bins[index], number - self._starts[index])

    def numbers(self) -> Mapping[int, int]:
        """Return the numbers of the chunks in lists by their addresses, those of all lists one after another: a
        million Places would take a second to make, and few are asked for."""
        if not self._starts:
            self._number_all()
        return self._numbers

    def list_of(self, number: int) -> int:
        """Return the index of the list that a number is of."""
        return bisect_right(self._starts, number) - 1

    def first_of(self, index: int) -> int:
        """Return the number of a list's first chunk."""
        return self._starts[index]

    def _number_all(self) -> None:
        start = 0
        for each in self.bins:
            self._starts.append(start)
            start += len(each.chunks)
        for each, begin in zip(reversed(self.bins), reversed(self._starts)):
            self._numbers.update(zip(each.chunks, range(begin, begin + len(each.chunks))))
