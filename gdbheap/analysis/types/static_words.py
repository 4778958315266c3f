"""The words of blocks that point into modules' data: among them are the vtable pointers of all objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import Ranges, TypingState
from gdbheap.lazy import np
from gdbheap.process.memory import readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray


def words_into(
    state: TypingState, ranges: list[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Return (block, offset in it, word) of each aligned word of a block that points into one of the ranges, which are
    in order and apart."""
    blocks, size = state.held.blocks, state.layouts.pointer_size
    wanted = Ranges(ranges)
    low, high = (np.uint64(ranges[0][0]), np.uint64(ranges[-1][1])) if ranges else (np.uint64(1), np.uint64(0))
    places, words = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for start, end in blocks.ranges() if ranges else ():
        for address, data in readable_pieces(state.process.memory, start, end):
            read = np.frombuffer(data, np.dtype(f"u{size}"), len(data) // size)
            near = np.flatnonzero((read >= low) & (read < high))
            near = near[wanted.hold(read[near].astype(np.uint64))]
            if len(near):
                places.append(np.uint64(address) + near.astype(np.uint64) * np.uint64(size))
                words.append(read[near].astype(np.uint64))
    place, word = np.concatenate(places), np.concatenate(words)
    block = np.searchsorted(blocks.start, place, side="right").astype(np.int64) - 1
    inside = (block >= 0) & (place < blocks.end[block])
    block, place, word = block[inside], place[inside], word[inside]
    return block, (place - blocks.start[block]).astype(np.int64), word


def data_of_modules(state: TypingState) -> list[tuple[int, int]]:
    """Return where modules' data lie: what a file is mapped for, but for code."""
    return [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file and not vma.executable]
