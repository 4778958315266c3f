"""Blocks that hold text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The first bytes that are looked at.
_BYTES = 32


def is_text(state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.uint32] | int = 0) -> NDArray[np.bool_]:
    """Return which of the blocks, which ascend, hold text from the offset on: printable, in ASCII or UTF-8, to a zero
    or as far as was looked."""
    if not len(blocks):
        return np.zeros(0, np.bool_)
    size = state.layouts.pointer_size
    address = state.held.blocks.start[blocks] + np.asarray(offset, np.uint64)
    shift = (address % np.uint64(size)).astype(np.int64)
    words = gather_words(state.process.memory, size, address - shift.astype(np.uint64), _BYTES // size)
    octets = (
        np.ascontiguousarray(words.astype(np.dtype(f"u{size}")))
        .view(np.uint8)
        .reshape(len(blocks), words.shape[1] * size)
    )
    columns = np.arange(octets.shape[1])[None, :]
    before = columns < shift[:, None]
    room = state.room[blocks] - np.asarray(offset, np.int64)
    printable = ((octets >= 0x20) & (octets != 0x7F)) | ((octets >= 9) & (octets <= 13)) | before
    ended = (octets == 0) & ~before
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), octets.shape[1])
    wrong = ~printable & (columns < end[:, None])
    text: NDArray[np.bool_] = ~wrong.any(axis=1) & (end > shift) & (end - shift <= room)
    return text & ~_high_only(octets, end)


def _high_only(octets: NDArray[np.uint8], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Bytes above ASCII follow each other in UTF-8: one alone is none."""
    high = octets >= 0x80
    alone = high.copy()
    alone[:, 1:] &= ~high[:, :-1]
    alone[:, :-1] &= ~high[:, 1:]
    alone[:, -1] = False
    inside = np.arange(octets.shape[1])[None, :] < end[:, None]
    found: NDArray[np.bool_] = (alone & inside).any(axis=1)
    return found
