"""What every check of the heap starts from: the view, its chunks as masks, and the words of memory that the view
leaves out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from gdbheap.analysis.abort_texts.table import Texts
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, MMAPPED_ARENA, Chunk, State
from gdbheap.glibc.heap_view import Bin, HeapView
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of one kind in one arena or list; more say nothing new.
MOST_FINDINGS = 16


class CheckedHeap:
    """A HeapView under examination. Masks and columns have one item for each row of the table."""

    def __init__(self, process: Process, view: HeapView) -> None:
        self.process = process
        self.view = view
        self.layout = view.layout
        self.table = view.table
        self.words = process.words
        self.texts = Texts(view.layout)

    @cached_property
    def in_arena(self) -> NDArray[np.bool_]:
        """Whether the chunk lies in an arena's heap (not in a mapping of its own)."""
        return np.asarray(self.table.arena != MMAPPED_ARENA)

    @cached_property
    def binned(self) -> NDArray[np.bool_]:
        """Whether the chunk is in an unsorted, small or large bin: free for its neighbours to merge with."""
        return self.has_state(State.UNSORTED, State.SMALL, State.LARGE)

    @cached_property
    def gap(self) -> NDArray[np.bool_]:
        """Whether the row is no chunk but a stretch that could not be read as chunks."""
        unknown = np.flatnonzero(self.has_state(State.UNKNOWN))
        gap = np.zeros(len(self.table), bool)
        raw = gather_words(
            self.process.memory,
            self.layout.pointer_size,
            self.table.address[unknown] + np.uint64(self.layout.pointer_size),
        )
        gap[unknown] = (raw[:, 0] & np.uint64(~FLAG_MASK & (1 << 64) - 1)) != self.table.size[unknown]
        return gap

    @cached_property
    def joined(self) -> NDArray[np.bool_]:
        """Whether the next row begins where this one ends, both in one arena."""
        table = self.table
        joined = np.zeros(len(table), bool)
        ends = table.address[:-1] + table.size[:-1]
        joined[:-1] = (ends == table.address[1:]) & (table.arena[:-1] == table.arena[1:]) & self.in_arena[:-1]
        return joined

    def gap_at(self, address: int) -> Chunk | None:
        """Return the row that an address lies in where that is no chunk but a stretch which could not be read as
        chunks; else None."""
        chunk = self.view.chunk_at(address)
        row = self.table.row_of(chunk.address) if chunk is not None else None
        return chunk if row is not None and (self.gap[row] or self._is_owned_and_broken(row)) else None

    def _is_owned_and_broken(self, row: int) -> bool:
        """Whether a chunk of malloc's own (the tcache's, the first of the heap) has another size in its header: what
        was behind it could not be read as chunks either."""
        if self.table.state[row] != State.MALLOC_OWNED:
            return False
        try:
            raw = self.words.read(int(self.table.address[row]) + self.layout.pointer_size)
        except MemoryFault:
            return False
        return raw & ~FLAG_MASK != int(self.table.size[row])

    def has_state(self, *states: State) -> NDArray[np.bool_]:
        """Return the mask of the rows in any of these states."""
        mask = np.zeros(len(self.table), bool)
        for state in states:
            mask |= self.table.state == state
        return mask

    def prev_size_behind(self, row: int) -> int:
        """Return the prev_size word of the chunk behind this row (0 where it cannot be read)."""
        end = self.table.address[row : row + 1] + self.table.size[row : row + 1]
        return int(gather_words(self.process.memory, self.layout.pointer_size, end)[0, 0])

    @property
    def prev_sizes(self) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        """The rows of the chunks in bins that others of their arena lie behind, and the prev_size word of each one
        behind."""
        rows, words = self._words_of_bins[:2]
        return rows, words[: len(rows), 0]

    def ring_links(self, chunks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the two words of each of these chunks of unsorted and large bins, which ascend, where the links of the
        ring of sizes lie (zeros where they cannot be read)."""
        rows, words, where = self._words_of_bins
        found: NDArray[np.uint64] = words[len(rows) + np.searchsorted(where, chunks)]
        return found

    @cached_property
    def _words_of_bins(self) -> tuple[NDArray[np.intp], NDArray[np.uint64], NDArray[np.uint64]]:
        """The rows of prev_sizes, two words for each of them and for each of the chunks of ring_links(), and these. All
        is read at once: the chunks of one bin lie far apart, those of all bins near each other."""
        rows = np.flatnonzero(self.binned & self.joined)
        listed = [np.array(each.chunks, np.uint64) for each in self.view.bins if each.kind in ("unsorted", "large")]
        chunks = distinct(np.concatenate([np.empty(0, np.uint64), *listed]))
        offset = np.uint64(self.layout.header + 2 * self.layout.pointer_size)
        places = np.concatenate((self.table.address[rows] + self.table.size[rows], chunks + offset))
        return rows, gather_words(self.process.memory, self.layout.pointer_size, places, 2), chunks

    def believed(self, each: Bin) -> int:
        """Return how many chunks of a tcache or fastbin list, from its head, are of it: where the list breaks, those
        before the first chunk of a wrong size, behind which the links lead nowhere. That chunk is somebody's
        block, and the link to it is wrong."""
        if each.fault is None or each.max_size is None:
            return len(each.chunks)
        sizes = self.view.sizes_of(each.chunks)
        wrong = np.flatnonzero((sizes < np.uint64(each.min_size)) | (sizes > np.uint64(each.max_size)))
        return int(wrong[0]) if len(wrong) else len(each.chunks)

    def size_word(self, row: int) -> int:
        """Return the row's size word, flags in."""
        return int(self.table.size[row]) | int(self.table.flags[row])
