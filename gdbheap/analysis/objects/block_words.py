"""The first words of blocks, as namers are given them: many blocks at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import dataclass, np
from gdbheap.machine.machine import Machine
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.columns.tagless import Tags
from gdbheap.process.memory import BLOCK, Memory, read_rows, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The words of each block that namers see.
WORDS = 16
# Blocks no further apart than this are read in one go.
_NEAR = 1 << 16


@dataclass(frozen=True)
class BlockWords:
    """`words[i]` are the first words of block `rows[i]` (zeros behind its end and where it cannot be read), `size[i]`
    its usable bytes. `static` marks the words that point into a file's mapping: a module's code or data."""

    blocks: Blocks
    rows: NDArray[np.intp]
    words: NDArray[np.uint64]
    size: NDArray[np.uint64]
    static: NDArray[np.bool_]
    pointer_size: int

    def column(self, offset: int) -> NDArray[np.uint64]:
        """Return the word at the offset in bytes, of each block."""
        column: NDArray[np.uint64] = self.words[:, offset // self.pointer_size]
        return column


def read_block_words(
    memory: Memory, blocks: Blocks, rows: NDArray[np.intp], space: AddressSpace, machine: Machine
) -> BlockWords:
    """Return the first words of these blocks (ascending rows), pointers to blocks without tags that the machine's
    processor ignores."""
    pointer_size = machine.pointer_size
    start, size = blocks.start[rows], blocks.end[rows] - blocks.start[rows]
    words = np.zeros((len(rows), WORDS), np.uint64)
    known = read_rows(memory, start, words) if pointer_size == words.itemsize else np.zeros(len(rows), np.bool_)
    if not known.any():
        _read_wide(memory, words, start, size, pointer_size)
    elif not known.all():
        rest = np.flatnonzero(~known)
        of_rest = np.zeros((len(rest), WORDS), np.uint64)
        _read_wide(memory, of_rest, start[rest], size[rest], pointer_size)
        words[rest] = of_rest
    words = _untagged(words, blocks, machine)
    words[np.arange(WORDS, dtype=np.uint64) >= (size // np.uint64(pointer_size))[:, None]] = 0
    return BlockWords(blocks, rows, words, size, _are_static(words, space), pointer_size)


def _read_wide(
    memory: Memory, words: NDArray[np.uint64], start: NDArray[np.uint64], size: NDArray[np.uint64], pointer_size: int
) -> None:
    """Fill the words of blocks, as far as these reach and can be read."""
    length = np.uint64(WORDS * pointer_size)
    for low, high in _spans(start, start + np.minimum(size, length)):
        for address, data in readable_pieces(memory, low, high, BLOCK):
            read = np.frombuffer(data, np.dtype(f"u{pointer_size}"), len(data) // pointer_size)
            _take(words, start, address, read)


def _untagged(words: NDArray[np.uint64], blocks: Blocks, machine: Machine) -> NDArray[np.uint64]:
    if not machine.tag_bits or not len(blocks):
        return words
    return Tags(machine.mask >> machine.tag_bits, int(blocks.start[0]), int(blocks.end[-1])).off(words)


def _spans(start: NDArray[np.uint64], end: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Yield the [start, end) to read, near ones as one."""
    if not len(start):
        return
    breaks = np.flatnonzero(start[1:] > end[:-1] + np.uint64(_NEAR)) + 1
    first = np.concatenate(([0], breaks))
    last = np.concatenate((breaks, [len(start)])) - 1
    yield from zip(start[first].tolist(), end[last].tolist())


def _take(words: NDArray[np.uint64], start: NDArray[np.uint64], address: int, read: NDArray[np.uint64]) -> None:
    """Put what was read from `address` on into the rows that it is of."""
    size = read.itemsize
    first, last = np.searchsorted(start, np.array([max(address - WORDS * size, 0), address + read.nbytes], np.uint64))
    fast = kernel(len(read))
    if fast is not None and size == words.itemsize and suits(start, read):
        fast.take(start[first:last], address, read, words[first:last])
        return
    for column in range(WORDS):
        # The blocks of which this word lies in what was read.
        low = address - column * size
        if low < 0:
            break
        first, last = np.searchsorted(start, np.array([low, low + len(read) * size], np.uint64)).tolist()
        place = (start[first:last] - np.uint64(low)) // np.uint64(size)
        words[first:last, column] = read[place.astype(np.intp)]


def _are_static(words: NDArray[np.uint64], space: AddressSpace) -> NDArray[np.bool_]:
    """Return which words point into a file's mapping."""
    static = np.zeros(words.shape, np.bool_)
    files = [vma for vma in space if vma.is_file]
    if not files:
        return static
    start = np.array([vma.start for vma in files], np.uint64)
    end = np.array([vma.end for vma in files], np.uint64)
    flat, values = static.reshape(-1), words.reshape(-1)
    places = np.flatnonzero((values >= start[0]) & (values < end[-1]))
    near = values[places]
    flat[places] = near < end[np.searchsorted(start, near, side="right") - 1]
    return static
