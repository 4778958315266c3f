"""The words of blocks that point into modules' data: among them are the vtable pointers of all objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.ranges import Ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray


def words_into(
    state: TypingState, ranges: list[tuple[int, int]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Return (block, offset in it, word) of each aligned word of a block that points into one of the ranges, which are
    in order and apart."""
    block, place, word = state.static_words
    wanted = Ranges(ranges).hold(word)
    if wanted.all():
        return block, place, word
    return block[wanted], place[wanted], word[wanted]


def data_of_modules(state: TypingState) -> list[tuple[int, int]]:
    """Return where modules' data lie: what a file is mapped for, but for code."""
    return [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file and not vma.executable]
