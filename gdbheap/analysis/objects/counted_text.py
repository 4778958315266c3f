"""Text behind a header that tells its length: a string library's block, whose users have a pointer to the characters
alone (redis' sds with its headers of 1, 3, 5, 9 and 17 bytes, Pascal strings, BSTR, ...)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.columns.first_words import HEAD
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.allocators.blocks import Blocks

    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int64]

# The longest header, and so many characters must be printable.
LONGEST = 32
_LOOKED_AT = 8
# malloc gives at most so much more than is asked for: the smallest chunk's room, and a remainder too small to be one.
# More room than that means that the header's bytes are no length.
_ROUNDED_UP = 40
# Where in the header, and in how many bytes, lengths are kept: at its start, or just before the text.
_WIDTHS = (1, 2, 4, 8)
_SURE_ANYWHERE = 4


def leads_to_counted_text(
    process: Process,
    blocks: Blocks,
    target: NDArray[np.int32],
    offset: NDArray[np.uint64],
    first_words: NDArray[np.uint64],
) -> Mask:
    """Return which pointers to these offsets of the targets lead to text that ends with a zero, so many bytes on as
    the header before it says, in a block that is as large as text of this length needs, or of the capacity that the
    header has behind the length. `first_words` are those of each block."""
    found = np.zeros(len(target), np.bool_)
    chosen = np.flatnonzero((offset > 0) & (offset <= LONGEST))
    chosen = chosen[_may_begin_with_letter(target[chosen], offset[chosen].astype(np.int64), first_words)]
    chosen = chosen[_may_be_told(blocks, target[chosen], offset[chosen].astype(np.int64), first_words)]
    if not len(chosen):
        return found
    order = chosen[np.argsort(target[chosen], kind="stable")]
    head, at = _heads(process, blocks, target[order]), offset[order].astype(np.int64)
    # Text has a first character: that alone rules most pointers out.
    likely = np.flatnonzero(_printable(head[np.arange(len(order)), np.minimum(at, head.shape[1] - 1)]))
    order, head, at = order[likely], head[likely], at[likely]
    room = (blocks.end[target[order]] - blocks.start[target[order]]).astype(np.int64)
    start = blocks.start[target[order]] + at.astype(np.uint64)
    rows = np.arange(len(order))
    first = np.minimum(at[:, None] + np.arange(_LOOKED_AT)[None, :], head.shape[1] - 1)
    text = head[rows[:, None], first]
    good = np.zeros(len(order), np.bool_)
    for length, capacity in _lengths(head, at):
        fits = _fits(length, capacity, room - at) & ~good
        shown = np.arange(_LOOKED_AT)[None, :] < length[:, None]
        fits &= (_printable(text) | ~shown).all(axis=1)
        fits[fits] = _is_zero(process, start[fits] + length[fits].astype(np.uint64))
        good |= fits
    found[order] = good
    return found


def _may_begin_with_letter(target: NDArray[np.int32], at: Numbers, first_words: NDArray[np.uint64]) -> Mask:
    """Return for which pointers a first character may be there, as far as the first words reach."""
    octets = np.ascontiguousarray(first_words).view(np.uint8).reshape(len(first_words), HEAD)
    found: Mask = (at >= HEAD) | _printable(octets[target, np.minimum(at, HEAD - 1)])
    return found


def _may_be_told(blocks: Blocks, target: NDArray[np.int32], at: Numbers, first_words: NDArray[np.uint64]) -> Mask:
    """Return for which pointers a length may stand in the header, judged by the first words where these are all of
    it: few are then read."""
    head = np.ascontiguousarray(first_words[target]).view(np.uint8).reshape(len(target), HEAD)
    room = (blocks.end[target] - blocks.start[target]).astype(np.int64) - at
    found = at > HEAD
    for length, capacity in _lengths(head, at):
        found |= _fits(length, capacity, room)
    return found


def _fits(length: Numbers, capacity: Numbers, room: Numbers) -> Mask:
    """Return where text of the length and its zero fit, and a block with so much room is what malloc gives for the
    capacity."""
    left = room - capacity
    fits: Mask = (length > 0) & (length <= capacity) & (left > 0) & (left <= _ROUNDED_UP)
    return fits


def _heads(process: Process, blocks: Blocks, target: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return the first bytes of the targets, which ascend."""
    size = process.pointer_size
    words = gather_words(process.memory, size, blocks.start[target], (LONGEST + _LOOKED_AT) // size)
    # (What lies behind a block's end is not its own; it is not asked for.)
    return np.ascontiguousarray(words.astype(np.dtype(f"u{size}"))).view(np.uint8).reshape(len(target), -1)


def _lengths(head: NDArray[np.uint8], at: Numbers) -> list[tuple[Numbers, Numbers]]:
    """Return what the headers of so many bytes may say that length and capacity are, 0 where a form does not fit."""
    # In a header of one byte the length may stand above its three lowest bits (sdshdr5).
    short = np.where(at == 1, head[:, 0].astype(np.int64) >> 3, 0)
    forms = [(short, short)]
    for width in _WIDTHS:
        before = _number(head, at, at - width, width)
        first, second = (_number(head, at, np.full(len(at), place), width) for place in (0, width))
        near = at <= 3 * width
        # (A pointer, its lowest byte taken for a length, looks like text: a narrow length stands near the start.)
        before = np.where(near | (width >= _SURE_ANYWHERE), before, 0)
        forms += [(before, before), (np.where(near, first, 0), first), (np.where(near, first, 0), second)]
    return forms


def _number(head: NDArray[np.uint8], at: Numbers, begin: Numbers, width: int) -> Numbers:
    """Return the numbers that begin at these places of the headers, 0 where one is not inside or is no length."""
    # The eight bytes from each place on, as numbers (of the last ones, those that end with the header).
    count, length = head.shape
    numbers = np.ndarray((count, length - 7), np.dtype("<u8"), head, strides=(length, 1))
    place = np.clip(begin, 0, length - 8)
    value = numbers[np.arange(count), place] >> (np.clip(begin - place, 0, 7) * 8).astype(np.uint64)
    value &= np.uint64((1 << 8 * width) - 1)
    sane = (begin >= 0) & (begin + width <= at) & (value < np.uint64(1 << 31))
    lengths: Numbers = np.where(sane, value, np.uint64(0)).astype(np.int64)
    return lengths


def _printable(octets: NDArray[np.uint8]) -> Mask:
    printable: Mask = ((octets >= 0x20) & (octets != 0x7F)) | ((octets >= 9) & (octets <= 13))
    return printable


def _is_zero(process: Process, addresses: NDArray[np.uint64]) -> Mask:
    """Return which of the bytes at the addresses are zero."""
    size = process.pointer_size
    order = np.argsort(addresses, kind="stable")
    ascending = addresses[order]
    word = ascending - ascending % np.uint64(size)
    words = gather_words(process.memory, size, word)[:, 0]
    zero = np.zeros(len(addresses), np.bool_)
    zero[order] = (words >> (ascending - word) * np.uint64(8)) & np.uint64(0xFF) == 0
    return zero
