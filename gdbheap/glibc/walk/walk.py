"""Walking a stretch of chunks from header to header, in wide reads, into columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from gdbheap.errors import MemoryFault
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.walk.chain import Chain
from gdbheap.glibc.walk.links import may_be_listed
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import dataclass, np
from gdbheap.process.memory import BLOCK, SMALLEST_PAGE, Memory, ReadProgress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Columns = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]

# Why a walk ended.
AT_LIMIT = "limit"
BAD_SIZE = "bad size"
FENCEPOST = "fencepost"
UNREADABLE = "unreadable"
INTERRUPTED = "interrupted"

# Where a chunk takes less than this many bytes of the block before, the next block's are found all at once; larger ones
# are sooner stepped over.
_CLOSE = 700

# So much of a chunk that reaches behind what was read is read with the next block, for who looks on: to read it apart
# costs more.
_TAIL = 1 << 16

# So many chunks are looked at together for what a free list may hold.
_MANY = 1 << 15


@dataclass(frozen=True)
class Walk:
    """Chunks in address order: the headers' addresses and their size words (flags in), columns of one length.

    `listed` are the rows of those that a free list may hold (may_be_listed), in order; `fd` and `bk` are their links
    (where such a chunk is in use after all, the user's data). `end` is where the next header would be; `why` one of
    AT_LIMIT, BAD_SIZE, FENCEPOST, UNREADABLE, INTERRUPTED; `raw` is the size word that ended it (0 where there is
    none).
    """

    address: NDArray[np.uint64]
    raw: NDArray[np.uint64]
    listed: NDArray[np.int64]
    fd: NDArray[np.uint64]
    bk: NDArray[np.uint64]
    end: int
    why: str
    raw_at_end: int = 0

    def free_rows(self) -> NDArray[np.intp]:
        """Return the rows of the chunks that the next header calls free (its PREV_INUSE is clear). Before top no
        chunk is."""
        rows = np.flatnonzero((self.raw[1:] & np.uint64(1)) == 0)
        if self.why == FENCEPOST and len(self.raw) and not self.raw_at_end & 1:
            rows = np.append(rows, len(self.raw) - 1)
        return rows

    def cut(self, rows: int) -> Walk:
        """Return the walk as it would be had it ended at this row with a bad size."""
        listed = int(np.searchsorted(self.listed, rows))
        return Walk(
            self.address[:rows],
            self.raw[:rows],
            self.listed[:listed],
            self.fd[:listed],
            self.bk[:listed],
            int(self.address[rows]),
            BAD_SIZE,
            int(self.raw[rows]),
        )


class Observer(Protocol):
    """Sees all that walks read, so that none of it has to be read again."""

    def see(self, base: int, words: NDArray[np.uint64], mem: NDArray[np.intp]) -> None:
        """Take what was read from address `base` on: words of the process's size, good for this call alone (copy
        what is to stay). `mem` are the places among them where the user's parts of chunks begin. What was seen
        may be seen again."""


class Walker:
    """Walks in `memory` by a `layout`, with one reused buffer. `progress`, if given, is called with each address
    reached, about once per MiB read; `observer`, if given, sees all that is read. `stopped`: Ctrl-C has ended a
    walk."""

    def __init__(
        self, memory: Memory, layout: Layout, progress: ReadProgress | None = None, observer: Observer | None = None
    ) -> None:
        self.memory = memory
        self.layout = layout
        self._pointer_size = layout.pointer_size
        self._progress = progress
        self._onlooker = observer
        self._buffer = memoryview(bytearray(BLOCK))
        self._type = np.dtype(f"u{layout.pointer_size}")
        self._chain = Chain(layout, BLOCK // layout.pointer_size)
        self._close_chunks = False
        self.stopped = False

    def walk(self, start: int, limit: int) -> Walk:
        """Walk from the header at `start` until one would begin at or past `limit`. After a Ctrl-C no walk goes
        anywhere.

        A chunk that reaches past `limit` is a bad size, not a chunk. Never raises MemoryFault: an unreadable page
        ends the walk.
        """
        pieces = _Pieces(self.layout)
        at = seen = start
        why, raw = INTERRUPTED if self.stopped else AT_LIMIT, 0
        try:
            while at < limit and why == AT_LIMIT:
                tail = self._tail(at - seen)
                size = self._fill(at - tail, limit, tail) if tail else 0
                if not size:
                    tail, size = 0, self._fill(at, limit)
                if not size:
                    why = UNREADABLE
                    break
                seen = at - tail + size
                at, why, raw = self._walk_block(at, (tail, size), limit, pieces)
                if self._progress:
                    self._progress(at)
        except KeyboardInterrupt:
            why, self.stopped = INTERRUPTED, True
        return pieces.joined(at, why, raw)

    def _tail(self, unseen: int) -> int:
        """Return how much is to be read before the next header, of so many bytes that were not."""
        return unseen if self._onlooker is not None and 0 < unseen <= _TAIL and not unseen % self._pointer_size else 0

    def _fill(self, at: int, limit: int, tail: int = 0) -> int:
        """Read a block from `at`, or what of it lies before the next unreadable page; return the bytes read, 0 for
        none. A `tail` of so many bytes before the next header is read with a whole block or not at all."""
        want = min(len(self._buffer), limit - at)
        if tail:
            try:
                self.memory.read_into(at, self._buffer[:want])
            except MemoryFault:
                return 0
            return want
        # A header with fd and bk; before `limit` there may be room for the header alone.
        least = max(min(4 * self._pointer_size, want), 2 * self._pointer_size)
        to_page_end = SMALLEST_PAGE - at % SMALLEST_PAGE
        for size in (want, to_page_end, least):
            if not least <= size <= want:
                continue
            try:
                self.memory.read_into(at, self._buffer[:size])
            except MemoryFault:
                continue
            return size
        return 0

    def _walk_block(self, base: int, read: tuple[int, int], limit: int, pieces: _Pieces) -> tuple[int, str, int]:
        """Walk what the buffer holds, into `pieces`: `read` are the bytes of a tail before the header at `base`, and
        all bytes. Return the next header's address, why it ended, the size word there."""
        before, size = (each // self._pointer_size for each in read)
        everything = np.frombuffer(self._buffer, self._type, size)
        words = everything[before:]
        rows, position, why, last = self._chase(words, (limit - base) // self._pointer_size)
        self._close_chunks = len(rows) * _CLOSE > len(words) * self._pointer_size
        if len(rows):
            pieces.add(*self._columns(words, rows, base))
        if self._onlooker is not None:
            self._onlooker.see(base - read[0], everything, rows + 1 + before)
        return base + (position - 1) * self._pointer_size, why, last

    def _columns(self, words: NDArray[np.uint64], rows: NDArray[np.intp], base: int) -> _Columns:
        """Return address, size word, fd and bk of the chunks of which the size words are at `rows`."""
        fast = kernel()
        if fast is not None and words.dtype == np.uint64 and rows.dtype == np.int64 and suits(words, rows):
            address, raw, fd, bk = fast.columns(words, rows, base)
        else:
            address = np.uint64(base) + (rows - 1).astype(np.uint64) * np.uint64(self._pointer_size)
            raw, fd, bk = (words[rows + index].astype(np.uint64, copy=False) for index in range(3))
        return address, raw, fd, bk

    def _chase(self, words: NDArray[np.uint64], limit: int) -> tuple[NDArray[np.intp], int, str, int]:
        """Return the index of each chunk's size word, the index where the next would be, why the chase ended there,
        and the size word."""
        count, end = len(words), limit + 1
        # A header in the last words is left to the next block, so that fd and bk are read with it.
        bound = min(count if count >= limit else count - 2, end)
        rows, position = np.empty(0, np.intp), 1
        compiled = self._chain.run(words, bound, limit)
        if compiled is not None:
            rows, position = compiled
        elif self._close_chunks:
            rows, position = self._chain.leap(words, bound, limit)
        found, position = self._chain.step(words.data, position, bound)
        past_limit = position > end
        if past_limit:
            position = found.pop()
        if found:
            rows = np.concatenate((rows, np.array(found, np.intp)))
        if position >= bound and not past_limit:
            return rows, position, AT_LIMIT, 0
        raw = int(words[position])
        return rows, position, FENCEPOST if raw & ~7 == 2 * self._pointer_size else BAD_SIZE, raw


class _Pieces:
    """The columns of a walk, as they come."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        # Of the last blocks: address, raw, fd and bk of every chunk.
        self._fresh: list[_Columns] = []
        self._fresh_rows = 0
        # Of those before: address and raw; listed, fd and bk.
        self._kept: tuple[list[NDArray[Any]], ...] = ([], [], [], [], [])
        self._kept_rows = 0

    def add(
        self,
        address: NDArray[np.uint64],
        raw: NDArray[np.uint64],
        fd: NDArray[np.uint64],
        bk: NDArray[np.uint64],
    ) -> None:
        """Add the chunks of a block."""
        self._fresh.append((address, raw, fd, bk))
        self._fresh_rows += len(address)
        if self._fresh_rows >= _MANY:
            self._keep()

    def _keep(self) -> None:
        """Of the links keep those alone that a list may hold."""
        address, raw, fd, bk = (np.concatenate(column) for column in zip(*self._fresh))
        listed = may_be_listed(self._layout, address, raw, fd)
        for column, piece in zip(self._kept, (address, raw, listed + self._kept_rows, fd[listed], bk[listed])):
            column.append(piece)
        self._kept_rows += len(address)
        self._fresh.clear()
        self._fresh_rows = 0

    def joined(self, end: int, why: str, raw_at_end: int) -> Walk:
        """Return the whole walk; the pieces are let go as they are joined, so that no two columns are held twice."""
        if self._fresh:
            self._keep()
        address, raw, listed, fd, bk = (
            _joined(column, kind) for column, kind in zip(self._kept, ("u8", "u8", "i8", "u8", "u8"))
        )
        return Walk(address, raw, listed, fd, bk, end, why, raw_at_end)


def _joined(column: list[NDArray[Any]], kind: str) -> NDArray[Any]:
    """Return one array of all pieces, and let go of them."""
    joined = np.concatenate(column) if column else np.empty(0, kind)
    column.clear()
    return joined
