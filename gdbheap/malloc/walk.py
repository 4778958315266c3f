"""Walking a stretch of chunks from header to header, in wide reads, into columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.malloc.layout import Layout
from gdbheap.process.memory import BLOCK, PAGE, Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Why a walk ended.
AT_LIMIT = "limit"
BAD_SIZE = "bad size"
FENCEPOST = "fencepost"
UNREADABLE = "unreadable"
INTERRUPTED = "interrupted"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Walk:
    """Chunks in address order, as columns of one length: the headers' addresses, their size words (flags in), and the two words
    that are fd and bk in a free chunk (in a chunk in use, the user's data).

    `end` is where the next header would be; `why` one of AT_LIMIT, BAD_SIZE, FENCEPOST, UNREADABLE, INTERRUPTED; `raw` is the size word
    that ended it (0 where there is none).
    """

    address: NDArray[np.uint64]
    raw: NDArray[np.uint64]
    fd: NDArray[np.uint64]
    bk: NDArray[np.uint64]
    end: int
    why: str
    raw_at_end: int = 0

    def free_rows(self) -> NDArray[np.intp]:
        """Return the rows of the chunks that the next header calls free (its PREV_INUSE is clear). Before top no chunk is."""
        rows = np.flatnonzero((self.raw[1:] & np.uint64(1)) == 0)
        if self.why == FENCEPOST and len(self.raw) and not self.raw_at_end & 1:
            rows = np.append(rows, len(self.raw) - 1)
        return rows


class Walker:
    """Walks with one reused buffer. `progress`, if given, is called with each address reached, about once per MiB read."""

    def __init__(self, memory: Memory, layout: Layout, progress: Progress | None = None) -> None:
        self._memory = memory
        self._word = layout.word
        self._min_size = layout.min_size
        self._misaligned = (layout.alignment - 1) & ~7
        self._progress = progress
        self._buffer = memoryview(bytearray(BLOCK))
        self._type = np.dtype(np.uint64 if layout.word == 8 else np.uint32)

    def walk(self, start: int, limit: int) -> Walk:
        """Walk from the header at `start` until one would begin at or past `limit`.

        A chunk that reaches past `limit` is a bad size, not a chunk. Never raises MemoryFault: an unreadable page ends the walk.
        """
        pieces: tuple[list[NDArray[np.uint64]], ...] = ([], [], [], [])
        at = start
        why, raw = AT_LIMIT, 0
        try:
            while at < limit and why == AT_LIMIT:
                size = self._fill(at, limit)
                if not size:
                    why = UNREADABLE
                    break
                columns, at, why, raw = self._walk_block(at, size, limit)
                for column, piece in zip(pieces, columns):
                    column.append(piece)
                if self._progress:
                    self._progress(at)
        except KeyboardInterrupt:
            why = INTERRUPTED
        address, raws, fd, bk = (_joined(column) for column in pieces)
        return Walk(address, raws, fd, bk, at, why, raw)

    def _fill(self, at: int, limit: int) -> int:
        """Read a block from `at`, or what of it lies before the next unreadable page; return the bytes read, 0 for none."""
        want = min(len(self._buffer), limit - at)
        to_page_end = PAGE - at % PAGE
        for size in (want, to_page_end, 4 * self._word):
            if size > want or size < 4 * self._word:
                continue
            try:
                self._memory.read_into(at, self._buffer[:size])
            except MemoryFault:
                continue
            return size
        return 0

    def _walk_block(self, base: int, size: int, limit: int) -> tuple[tuple[NDArray[np.uint64], ...], int, str, int]:
        """Walk what the buffer holds; return the columns (none if no chunk), the next header's address, why it ended, the size word there."""
        shift = 3 if self._word == 8 else 2
        found: list[int] = []
        position, why, raw = self._chase(found, size >> shift, (limit - base) >> shift)
        end = base + (position - 1) * self._word
        if not found:
            return (), end, why, raw
        words = np.frombuffer(self._buffer, self._type, size >> shift)
        rows = np.array(found, np.int64)
        columns = (
            np.uint64(base) + (rows - 1).astype(np.uint64) * np.uint64(self._word),
            words[rows].astype(np.uint64),
            words[rows + 1].astype(np.uint64),
            words[rows + 2].astype(np.uint64),
        )
        return columns, end, why, raw

    def _chase(self, found: list[int], count: int, limit: int) -> tuple[int, str, int]:
        """Append the index of each size word in the buffer's first `count` words; return the index where the chase ended, and why."""
        words = self._buffer.cast("Q" if self._word == 8 else "I")
        words_per_eight = 8 // self._word
        min_size, misaligned = self._min_size, self._misaligned
        append = found.append
        position = 1
        # A header in the last words is left to the next block, so that fd and bk are read with it.
        end = limit + 1
        bound = min(count if count >= limit else count - 2, end)
        raw = 0
        while position < bound:
            raw = words[position]
            if raw < min_size or raw & misaligned:
                break
            append(position)
            position += (raw >> 3) * words_per_eight
        else:
            if position <= end:
                return position, AT_LIMIT, 0
            position = found.pop()
        if raw & ~7 == 2 * self._word:
            return position, FENCEPOST, raw
        return position, BAD_SIZE, raw


def _joined(column: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return one array of all pieces, and let go of them: of a heap of ten million chunks no column is held twice for longer than this."""
    joined = np.concatenate(column) if column else np.empty(0, np.uint64)
    column.clear()
    return joined
