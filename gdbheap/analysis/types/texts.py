"""Blocks that hold text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.first_words import HEAD
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Octets = NDArray[np.uint8]

# The first bytes that are looked at, of so many blocks at once.
_BYTES = 32
_SLICE = 1 << 15
# What is known of a block already: nothing, that it holds no text, or text of so many letters (up to this).
_UNKNOWN, _NONE, MOST_LETTERS = 0, 1, 32
# Its first bytes do not tell: it must be read.
_MORE = 0xFF


def is_text(
    state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.uint32] | int = 0, least: int = 1
) -> Mask:
    """Return which of the blocks hold text from the offset on, of so many letters at `least`: printable, in ASCII or
    UTF-8, to a zero or as far as was looked."""
    if not len(blocks):
        return np.zeros(0, np.bool_)
    further = np.broadcast_to(np.asarray(offset) > 0, (len(blocks),))
    if further.any():
        found = np.zeros(len(blocks), np.bool_)
        found[~further] = is_text(state, blocks[~further], 0, least)
        offsets = np.broadcast_to(np.asarray(offset), (len(blocks),))
        found[further] = letters(state, blocks[further], offsets[further]) >= least
        return found
    known = state.letters[blocks]
    if known.min() == _UNKNOWN:
        _look(state, blocks[known == _UNKNOWN])
        known = state.letters[blocks]
    return known >= least + _NONE


def _look(state: TypingState, blocks: NDArray[np.int32]) -> None:
    """Note how many letters of text each of the blocks begins with. Their first bytes, which are known, tell that of
    nearly all; the others are read."""
    if state.layouts.header:
        new = distinct(blocks)
        state.letters[new] = letters(state, new, 0) + _NONE
        return
    heads = np.ascontiguousarray(state.graph.head).view(np.uint8).reshape(len(state), HEAD)
    look_at_heads(heads, blocks, state.letters)
    here = state.letters[blocks]
    # (A pointer may look like letters.)
    short = blocks[(here > _NONE) & (here <= state.layouts.pointer_size + _NONE)]
    state.letters[short[_points_at_once(state, short, np.zeros(len(short), np.int64))]] = _NONE
    short = blocks[(here > _NONE) & (here < _MORE) & (here - np.uint8(_NONE) > state.room[blocks])]
    state.letters[short] = _NONE
    more = distinct(blocks[here == _MORE])
    state.letters[more] = letters(state, more, 0) + _NONE


def look_at_heads(heads: Octets, blocks: NDArray[np.int32], letters: Octets) -> None:
    """Put into `letters`, for each of the blocks of which nothing is known there, what its head tells: that it begins
    with no text, or with so many letters, or that one must look further."""
    fast = kernel()
    if fast is not None and suits(heads, blocks, letters) and blocks.dtype == np.int32:
        fast.letters(heads, blocks, letters)
        return
    blocks = blocks[letters[blocks] == _UNKNOWN]
    octets, rows, strange = heads[blocks], np.arange(len(blocks)), _strange()
    end, told = np.full(len(blocks), HEAD), np.full(len(blocks), _NONE, np.uint8)
    for column in range(HEAD):
        octet = octets[rows, column]
        ended = rows[octet == 0]
        end[ended], told[ended] = column, column + _NONE
        rows = rows[(octet > 0) & ~strange[octet]]
    told[rows] = _MORE
    high = np.flatnonzero((told > _NONE) & (octets >= 0x80).any(axis=1))
    broken = _is_broken_utf8(octets[high], np.zeros((len(high), HEAD), np.bool_), end[high])
    told[high[broken]] = _NONE
    letters[blocks] = told


def letters(state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.uint32] | int) -> Octets:
    """Return how many bytes of text each block holds from the offset on, as far as is looked; 0 where it is none."""
    offsets = np.broadcast_to(np.asarray(offset, np.int64), (len(blocks),))
    found = np.zeros(len(blocks), np.uint8)
    for start in range(0, len(blocks), _SLICE):
        here = slice(start, start + _SLICE)
        found[here] = _letters_of(state, blocks[here], offsets[here])
    return found


def _letters_of(state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.int64]) -> Octets:
    size = state.layouts.pointer_size
    address = state.held.blocks.start[blocks] + offset.astype(np.uint64)
    shift = (address % np.uint64(size)).astype(np.int64)
    words = gather_words(state.process.memory, size, address - shift.astype(np.uint64), _BYTES // size)
    octets = np.ascontiguousarray(words.astype(np.dtype(f"u{size}"))).view(np.uint8).reshape(len(blocks), _BYTES)
    before = np.arange(_BYTES)[None, :] < shift[:, None] if shift.any() else None
    zero = octets == 0
    strange = _strange()[octets]
    if before is not None:
        zero &= ~before
        strange &= ~before
    end = np.where(zero.any(axis=1), zero.argmax(axis=1), _BYTES)
    first = np.where(strange.any(axis=1), strange.argmax(axis=1), _BYTES)
    length = end - shift
    text = (first >= end) & (length >= 1) & (length <= state.room[blocks] - offset)
    text &= ~(_points_at_once(state, blocks, offset) & (end <= size))
    # (Few texts have letters beyond ASCII; these are held against UTF-8.)
    high = np.flatnonzero(text & (octets >= 0x80).any(axis=1))
    if len(high):
        covered = np.zeros((len(high), _BYTES), np.bool_) if before is None else before[high]
        text[high] = ~_is_broken_utf8(octets[high], covered, end[high])
    return np.where(text, np.minimum(length, MOST_LETTERS), 0).astype(np.uint8)


def letters_at(state: TypingState, addresses: NDArray[np.uint64]) -> Octets:
    """Return how many letters lie at each address, wherever that is, as far as is looked; 0 where there is no text."""
    size = state.layouts.pointer_size
    shift = (addresses % np.uint64(size)).astype(np.int64)
    words = gather_words(state.process.memory, size, addresses - shift.astype(np.uint64), _BYTES // size + 1)
    octets = (
        np.ascontiguousarray(words.astype(np.dtype(f"u{size}"))).view(np.uint8).reshape(len(addresses), _BYTES + size)
    )
    before = np.arange(octets.shape[1])[None, :] < shift[:, None]
    zero, strange = (octets == 0) & ~before, _strange()[octets] & ~before
    end = np.where(zero.any(axis=1), zero.argmax(axis=1), octets.shape[1])
    first = np.where(strange.any(axis=1), strange.argmax(axis=1), octets.shape[1])
    return np.where(first >= end, end - shift, 0).astype(np.uint8)


def _strange() -> Mask:
    """Return which bytes are in no text: control characters but tabs and ends of lines."""
    octets = np.arange(256)
    found: Mask = ((octets < 0x20) & ((octets < 9) | (octets > 13)) & (octets > 0)) | (octets == 0x7F)
    return found


def _points_at_once(state: TypingState, blocks: NDArray[np.int32], offset: NDArray[np.int64]) -> Mask:
    """Return which of the blocks begin with a pointer to another's start: its bytes may look like letters."""
    first = state.begin[blocks]
    has_any = first < state.begin[np.asarray(blocks, np.int64) + 1]
    found = np.zeros(len(blocks), np.bool_)
    edges = first[has_any]
    found[has_any] = (state.graph.place[edges] == 0) & (state.graph.offset[edges] == 0)
    at_start: Mask = found & (offset == 0)
    return at_start


def _is_broken_utf8(octets: Octets, before: Mask, end: NDArray[np.int64]) -> Mask:
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
    ended = inside | (np.arange(octets.shape[1])[None, :] == end[:, None])
    for step in (1, 2, 3):
        wanted[:, step:] |= (length > step)[:, :-step] & inside[:, :-step]
    follows = (octets >= 0x80) & (octets <= 0xBF)
    wrong = (octets >= 0x80) & (length == 0) & ~follows
    found: Mask = ((wrong | (follows != wanted)) & ended).any(axis=1)
    return found
