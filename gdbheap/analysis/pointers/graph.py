"""The pointer graph: every aligned word, of the live blocks and of the roots, that points into a live block.

Memory goes through one small buffer, once (and not at all where the walk of the heap has just read it: sieve.py);
what is kept is the edges and the first bytes of each block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.analysis.pointers.pointer_scan import Bounds, PointerScan
from gdbheap.kernel.arrays import suits
from gdbheap.lazy import dataclass, np
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import without
from gdbheap.process.columns.first_words import HEAD
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.columns.tagless import Tags
from gdbheap.process.memory import BLOCK, Memory, ReadProgress, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.pointer_scan import Piece, Places

_BUFFER = BLOCK


@dataclass(frozen=True)
class Pointers:
    """Words that point into blocks: where each lies (`place`, an address), the `target` block's index, and the
    `offset` in that block (0: its start; held to 32 bits). `interrupted`: Ctrl-C cut the reading short."""

    place: NDArray[np.uint64]
    target: NDArray[np.int32]
    offset: NDArray[np.uint32]
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.place)


@dataclass(frozen=True)
class PointerEdges:
    """Edges from block to block (`source`, `place`, `target`, `offset`, in order of source and place), and the `head`
    of each block.

    `place` is where in its source block the word lies, in bytes, `offset` where in the target it leads (both held to
    32 bits). `head` has the first 16 bytes of each block as words. `unread` is how many bytes of blocks could not be
    read, or were not (`interrupted`: Ctrl-C cut the reading short). `hidden` has the words that may be hidden pointers,
    `static` those, of blocks and of what lies between, that point into files' mappings (None: nobody looked for them).
    """

    source: NDArray[np.int32]
    place: NDArray[np.uint32]
    target: NDArray[np.int32]
    offset: NDArray[np.uint32]
    head: NDArray[np.uint64]
    unread: int
    interrupted: bool = False
    hidden: Hidden | None = None
    static: StaticWords | None = None


@dataclass(frozen=True)
class StaticWords:
    """Words that point into files' mappings: code and modules' data. Each lies at an address, its `place`."""

    place: NDArray[np.uint64]
    word: NDArray[np.uint64]


class PointerFilter:
    """Finds the words that point into blocks. One for each scan: it holds the working space."""

    def __init__(self, blocks: Blocks, machine: Machine) -> None:
        self.blocks = blocks
        self.machine = machine
        self.pointer_size = machine.pointer_size
        ends = (int(blocks.start[0]), int(blocks.end.max())) if len(blocks) else (0, 0)
        self._size = blocks.end - blocks.start
        self.bounds = Bounds(machine, *ends)
        self.type = self.bounds.type

    def find(self, words: NDArray[np.uint64]) -> tuple[Places, NDArray[np.intp], NDArray[np.uint64]]:
        """Return (place among the words, target block, offset in it) of each word that points into a block."""
        place = self.bounds.places(words)
        return self.aim(place, words[place])

    def aim(self, place: Places, words: NDArray[np.uint64]) -> tuple[Places, NDArray[np.intp], NDArray[np.uint64]]:
        """Return as find() what these words, at these places, point to. They need not lie within the bounds."""
        value = words.astype(np.uint64, copy=False)
        target = self.blocks.starts.before(value)
        offset = value - self.blocks.start[target]
        # (Below the first block the offset wraps round: no block is so long.)
        hit = offset < self._size[target]
        if hit.all():
            return place, target, offset
        return place[hit], target[hit], offset[hit]


def read_graph(
    memory: Memory,
    blocks: Blocks,
    machine: Machine,
    progress: ReadProgress | None = None,
    sieve: PointerScan | None = None,
) -> PointerEdges:
    """Read all blocks once, except what has gone through the `sieve`. `progress` is called with each address
    reached, once per MiB. Ctrl-C keeps what is read."""
    finder, pointer_size = PointerFilter(blocks, machine), machine.pointer_size
    head = np.zeros((len(blocks), HEAD // pointer_size), finder.type)
    if sieve is None or not _within(finder.bounds, sieve.bounds):
        sieve = PointerScan(machine, blocks.ranges())
    hidden = sieve.hidden
    sieve.first_words.give(blocks.start, head)
    gaps = [gap for span in blocks.ranges() for gap in sieve.gaps(*span)]
    done: list[tuple[int, int]] = []
    static, found = _Static(sieve.files, pointer_size), FoundEdges(finder, sieve.count)
    interrupted = False

    def read() -> Iterator[Piece]:
        for address, data in _pieces(memory, gaps):
            words = np.frombuffer(data, finder.type, len(data) // pointer_size)
            _take_heads(blocks, head, address, words, pointer_size)
            yield address, len(data), *hidden.take(address, words, *sieve.bounds.within(words))
            done.append((address, address + len(data)))
            if progress:
                progress(address)

    try:
        for piece in merge(sieve.pieces(), read(), key=itemgetter(0)):
            found.add(static.taken_from(piece))
    except KeyboardInterrupt:
        interrupted = True
    source, place, target, offset = found.columns()
    if machine.tag_bits and len(blocks):
        head = Tags(machine.mask >> machine.tag_bits, int(blocks.start[0]), int(blocks.end[-1])).off(head)
    unread = sum(_bytes_of_blocks(blocks, *hole) for gap in gaps for hole in without(*gap, done))
    return PointerEdges(source, place, target, offset, head, unread, interrupted, hidden, static.words())


def _bytes_of_blocks(blocks: Blocks, start: int, end: int) -> int:
    """Return how many bytes of [start, end) are blocks': what lies between near ones need not be there at all."""
    first = int(np.searchsorted(blocks.end, np.uint64(start), side="right"))
    last = int(np.searchsorted(blocks.start, np.uint64(end)))
    near = zip(blocks.start[first:last].tolist(), blocks.end[first:last].tolist())
    return sum(min(high, end) - max(low, start) for low, high in near)


def _within(inner: Bounds, outer: Bounds) -> bool:
    return outer.low <= inner.low and inner.high <= outer.high


def unread_graph(blocks: Blocks, pointer_size: int) -> PointerEdges:
    """Return the graph of which nothing was read, for Ctrl-C came first."""
    head = np.zeros((len(blocks), HEAD // pointer_size), np.dtype(f"u{pointer_size}"))
    unread = sum(end - start for start, end in blocks.ranges())
    source, place, target, offset = _Found(np.int32, np.uint32, np.int32, np.uint32).columns()
    return PointerEdges(source, place, target, offset, head, unread, True)


class FoundEdges:
    """Finds the pointers from block to block in pieces of memory (pointer_scan.py): source, place in it, target and
    offset of each."""

    def __init__(self, finder: PointerFilter, words: int = 0) -> None:
        """So many words are expected."""
        self._finder, self._blocks = finder, finder.blocks
        self._found = _Found(np.int32, np.uint32, np.int32, np.uint32)
        compiled = self._blocks.starts.compiled() if finder.type == np.uint64 and suits(self._blocks.end) else None
        self._fast = None if compiled is None else compiled[0].edges(compiled[1], self._blocks.end)
        if self._fast is not None:
            self._fast.reserve(words)

    def add(self, piece: Piece) -> None:
        """Add the edges of a piece."""
        address, size, place, words = piece
        # Only the blocks that reach into this piece can be the words' own: a small search instead of a large one.
        start = self._blocks.start
        first, last = np.searchsorted(start, np.array([address, address + size], np.uint64)).tolist()
        near = slice(max(first - 1, 0), last)
        if near.start == near.stop:
            return
        if self._fast is not None:
            self._fast.add(
                (address, np.require(place, np.uint32, ["C", "A"]), np.require(words, np.uint64, ["C", "A"]))
            )
            return
        finder, end = self._finder, self._blocks.end
        place, target, offset = finder.aim(place, words)
        where = np.uint64(address) + place.astype(np.uint64) * np.uint64(finder.pointer_size)
        source = near.start - 1 + np.searchsorted(start[near], where, side="right")
        alive = (where >= start[source]) & (where < end[source])
        if not alive.all():
            source, where, target, offset = source[alive], where[alive], target[alive], offset[alive]
        self._found.add(source, _held(where - start[source]), target, _held(offset))

    def columns(self) -> tuple[Any, ...]:
        """Return all of them."""
        return self._found.columns() if self._fast is None else self._fast.columns()


def read_heads(
    memory: Memory, blocks: Blocks, pointer_size: int, progress: ReadProgress | None = None
) -> NDArray[np.uint64]:
    """Return the first 16 bytes of each block as words (zeros where they cannot be read), without looking for
    pointers."""
    kind = np.dtype(f"u{pointer_size}")
    head = np.zeros((len(blocks), HEAD // pointer_size), kind)
    for start, end in blocks.ranges():
        for address, data in readable_pieces(memory, start, end, _BUFFER):
            words = np.frombuffer(data, kind, len(data) // pointer_size)
            _take_heads(blocks, head, address, words, pointer_size)
            if progress:
                progress(address)
    return head


def read_pointers(
    memory: Memory,
    finder: PointerFilter,
    ranges: Iterable[tuple[int, int]],
    progress: ReadProgress | None = None,
    hidden: Hidden | None = None,
) -> tuple[Pointers, int]:
    """Return the words in these ranges that point into the filter's blocks, in order of address, and how many bytes
    could not be read, or were not. `hidden` sees what is read. Ctrl-C keeps what is read."""
    pointer_size = finder.pointer_size
    hidden = hidden or Hidden(finder.machine, finder.blocks.ranges())
    found = _Found(np.uint64, np.int32, np.uint32)
    spans = [(-(-start // pointer_size) * pointer_size, end) for start, end in ranges]
    unread = sum(max(end - start, 0) for start, end in spans)
    interrupted = False
    try:
        for address, data in _pieces(memory, spans):
            words = np.frombuffer(data, finder.type, len(data) // pointer_size)
            position, target, offset = finder.aim(*hidden.take(address, words, *finder.bounds.within(words)))
            found.add(np.uint64(address) + position.astype(np.uint64) * np.uint64(pointer_size), target, _held(offset))
            unread -= len(data)
            if progress:
                progress(address)
    except KeyboardInterrupt:
        interrupted = True
    place, target, offset = found.columns()
    return Pointers(place, target, offset, interrupted), unread


def _pieces(memory: Memory, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, memoryview]]:
    for start, end in _joined(spans):
        yield from readable_pieces(memory, start, end, _BUFFER)


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the spans, which are in order, those that touch as one: thousands of small mappings may lie side by side,
    and each piece costs more than its words."""
    low, high = 0, 0
    for start, end in spans:
        if start == high:
            high = max(high, end)
            continue
        if low < high:
            yield low, high
        low, high = start, end
    if low < high:
        yield low, high


def _held(offset: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the offsets as they are kept, in 32 bits."""
    held: NDArray[np.uint64] = np.minimum(offset, np.uint64(0xFFFF_FFFF))
    return held


class _Static:
    """Takes the words that point into files' mappings out of pieces of memory."""

    def __init__(self, files: Ranges, pointer_size: int) -> None:
        self._files = files
        self._pointer_size = np.uint64(pointer_size)
        self._found = _Found(np.uint64, np.uint64)

    def taken_from(self, piece: Piece) -> Piece:
        """Return the piece without them."""
        address, size, place, words = piece
        static = self._files.hold(words)
        if not static.any():
            return piece
        self._found.add(np.uint64(address) + place[static].astype(np.uint64) * self._pointer_size, words[static])
        return address, size, place[~static], words[~static]

    def words(self) -> StaticWords:
        return StaticWords(*self._found.columns())


class _Found:
    """Pieces of columns of these types, to be joined at the end. A piece is added whole or not at all."""

    def __init__(self, *types: Any) -> None:
        self._types = types
        self._pieces: list[tuple[NDArray[Any], ...]] = []

    def add(self, *columns: NDArray[Any]) -> None:
        if len(columns[0]):
            self._pieces.append(tuple(column.astype(kind, copy=False) for column, kind in zip(columns, self._types)))

    def columns(self) -> tuple[Any, ...]:
        if not self._pieces:
            return tuple(np.empty(0, kind) for kind in self._types)
        return tuple(np.concatenate(column) for column in zip(*self._pieces))


def _take_heads(
    blocks: Blocks, head: NDArray[np.uint64], address: int, words: NDArray[np.uint64], pointer_size: int
) -> None:
    """Keep the first words of the blocks that begin among these words."""
    ends = np.array([address, address + len(words) * pointer_size], np.uint64)
    here = slice(*np.searchsorted(blocks.start, ends).tolist())
    index = ((blocks.start[here] - np.uint64(address)) // np.uint64(pointer_size)).astype(np.intp)
    for column in range(head.shape[1]):
        within = index + column < len(words)
        if within.all():
            head[here, column] = words[index + column]
        else:
            head[here, column][within] = words[(index + column)[within]]
