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


def is_text(
    state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.uint32] | int = 0, least: int = 1
) -> NDArray[np.bool_]:
    """Return which of the blocks, which ascend, hold text from the offset on, of so many letters at `least`:
    printable, in ASCII or UTF-8, to a zero or as far as was looked."""
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
    text: NDArray[np.bool_] = ~wrong.any(axis=1) & (end - shift >= least) & (end - shift <= room)
    return text & ~_is_broken_utf8(octets, before, end) & ~(_points_at_once(state, blocks, offset) & (end <= size))


def _points_at_once(
    state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.uint32] | int
) -> NDArray[np.bool_]:
    """Return which of the blocks begin with a pointer to another's start: its bytes may look like letters."""
    first = state.begin[blocks]
    has_any = first < state.begin[np.asarray(blocks, np.int64) + 1]
    found = np.zeros(len(blocks), np.bool_)
    edges = first[has_any]
    found[has_any] = (state.graph.place[edges] == 0) & (state.graph.offset[edges] == 0)
    at_start: NDArray[np.bool_] = found & (np.asarray(offset) == 0)
    return at_start


def _is_broken_utf8(octets: NDArray[np.uint8], before: NDArray[np.bool_], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return in which rows bytes above ASCII are no UTF-8: each is one that begins a character, or follows as one of
    so many as that asks for."""
    inside = (np.arange(octets.shape[1])[None, :] < end[:, None]) & ~before
    length = np.select(
        [(octets >= 0xC2) & (octets <= 0xDF), (octets >= 0xE0) & (octets <= 0xEF), (octets >= 0xF0) & (octets <= 0xF4)],
        [2, 3, 4],
        0,
    )
    wanted = np.zeros(octets.shape, np.bool_)
    # (What goes on behind the end is cut off; what ends with a zero is not.)
    inside |= np.arange(octets.shape[1])[None, :] == end[:, None]
    for step in (1, 2, 3):
        wanted[:, step:] |= (length > step)[:, :-step] & inside[:, :-step]
    follows = (octets >= 0x80) & (octets <= 0xBF)
    wrong = (octets >= 0x80) & (length == 0) & ~follows
    found: NDArray[np.bool_] = ((wrong | (follows != wanted)) & inside).any(axis=1)
    return found
