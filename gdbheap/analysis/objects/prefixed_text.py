"""Text behind its length: strings of runtimes and libraries that keep a header in front of the letters (sds, the
old std::string, Qt's, PHP's, LLVM's)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.lazy import np
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Where the letters may begin: behind a whole number of words, or behind sds's headers.
_OFFSETS = (8, 16, 24, 4, 12, 3, 1, 5, 9, 17)
_WIDE_OFFSETS = (8, 16, 24)
_SHORTEST = 4
# The bytes of a block that are looked at.
_SEEN = 64
_WIDE_ZEROS = 0xFF80_FF80_FF80_FF80
_WIDE_LETTERS = 0x0060_0060_0060_0060
# What a block may have beyond twice its text.
_ROOM = 32
# The widths of a length.
_WIDTHS = (8, 4, 2, 1)


def name_prefixed_text(given: BlockWords, labels: Labels) -> None:
    """Name "text at +0x10" the blocks that are text behind a number that is its length, in letters of one byte or of
    two."""
    packed = np.ascontiguousarray(given.words.astype(np.dtype(f"u{given.pointer_size}"))).view(np.uint64)
    # Plain text has letters in place of numbers.
    maybe = np.flatnonzero(~_four_letters(packed, 0))
    # (Column by column: each is gone through several times.)
    seen = np.asfortranarray(packed[maybe, : _WIDE_OFFSETS[-1] // 8 + 1])
    for offset in _OFFSETS:
        rows = maybe[_four_letters(seen, offset)]
        octets = _octets(given, rows)
        graphic = ((octets >= 0x20) & (octets < 0x7F)) | (octets >= 0xC2)
        rows = rows[_is_told(octets, graphic[:, offset:], given.size[rows], offset, 1)]
        labels.put(given.rows[rows], f"text at +{offset:#x}", Confidence.POSSIBLE)
    for offset in _WIDE_OFFSETS:
        rows = maybe[seen[:, offset // 8] & np.uint64(_WIDE_ZEROS) == 0]
        rows = rows[packed[rows, offset // 8] & np.uint64(_WIDE_LETTERS) != 0]
        octets = _octets(given, rows)
        wide = (octets[:, offset::2] >= 0x20) & (octets[:, offset::2] < 0x7F) & (octets[:, offset + 1 :: 2] == 0)
        rows = rows[_is_told(octets, wide, given.size[rows], offset, 2)]
        labels.put(given.rows[rows], f"UTF-16 text at +{offset:#x}", Confidence.POSSIBLE)


def _four_letters(packed: NDArray[np.uint64], offset: int) -> NDArray[np.bool_]:
    """Return where ASCII begins at the offset: no byte of four has its upper bit set, or would have if 0x20 were taken
    from it, and the byte before is no letter (sds's flags may look like one)."""
    column, shift = divmod(offset * 8, 64)
    letters = packed[:, column] >> np.uint64(shift)
    if shift > 32:
        letters |= packed[:, column + 1] << np.uint64(64 - shift)
    letters &= np.uint64(0xFFFF_FFFF)
    found: NDArray[np.bool_] = (letters | (letters - np.uint64(0x2020_2020))) & np.uint64(0x8080_8080) == 0
    if offset > 1:
        before = packed[:, (offset - 1) // 8] >> np.uint64((offset - 1) % 8 * 8) & np.uint64(0xFF)
        found &= (before < np.uint64(0x20)) | (before > np.uint64(0x7E))
    return found


def _octets(given: BlockWords, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Return the bytes of these; an address's may look like letters, and count as none."""
    low, high = (int(given.blocks.start[0]), int(given.blocks.end[-1])) if len(given.blocks) else (1, 0)
    seen = _SEEN // given.pointer_size
    words = given.words[rows, :seen]
    addresses = given.static[rows, :seen] | (words >= np.uint64(low)) & (words < np.uint64(high))
    words = np.where(addresses, np.uint64(0x0101_0101_0101_0101), words)
    octets = np.ascontiguousarray(words.astype(np.dtype(f"u{given.pointer_size}"))).view(np.uint8)
    return octets.reshape(len(rows), _SEEN)


def _is_told(
    octets: NDArray[np.uint8], graphic: NDArray[np.bool_], size: NDArray[np.uint64], offset: int, letter: int
) -> NDArray[np.bool_]:
    """Return for which a number in front of the text is its length (with the zero, or without) and the text fills
    the block, or half of it: strings that grow have room."""
    whole = graphic.all(axis=1)
    length = np.where(whole, graphic.shape[1], np.argmin(graphic, axis=1)).astype(np.uint64)
    room = (size - np.minimum(size, np.uint64(offset))) // np.uint64(letter)
    zero = octets[np.arange(len(octets)), np.minimum(offset + length * letter, octets.shape[1] - 1).astype(np.intp)]
    found = np.zeros(len(octets), np.bool_)
    for number in _numbers(octets, offset):
        # Of a long text the end is not seen.
        fits = np.where(
            whole, (number >= length) & (number <= room), (number - length <= 1) & (zero == 0) & (length >= _SHORTEST)
        )
        found |= fits & (number * np.uint64(2) + np.uint64(_ROOM) >= room)
    return found


def _numbers(octets: NDArray[np.uint8], offset: int) -> Iterator[NDArray[np.uint64]]:
    """Yield what may be a length in front of the offset."""
    for width in _WIDTHS:
        for at in range(offset - width, -1, -width):
            number = np.zeros(len(octets), np.uint64)
            for octet in range(width):
                number |= octets[:, at + octet].astype(np.uint64) << np.uint64(8 * octet)
            yield number
            if offset % width:
                break
    if offset == 1:
        # sdshdr5: the length is in the upper bits of the flags.
        yield octets[:, 0].astype(np.uint64) >> np.uint64(3)
