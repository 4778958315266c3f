"""Text in letters of two bytes or four (UTF-16, wchar_t) that begins where its block does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.lazy import np
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of each width: the bits that no letter of ASCII has, and those of which each has one.
_KINDS = (
    (2, 0xFF80_FF80_FF80_FF80, "UTF-16 text"),
    (4, 0xFFFF_FF80_FFFF_FF80, "UTF-32 text"),
)
# The bytes of a block that are looked at, and how many units it takes at least, most of which are letters or spaces
# (small numbers in a row look like anything).
_SEEN = 64
_SHORTEST = 5
_LETTERS = 0.7


def name_wide_text(given: BlockWords, labels: Labels) -> None:
    """Name the blocks that begin with such text, to its zero or to the end of what is seen."""
    packed = np.ascontiguousarray(given.words.astype(np.dtype(f"u{given.pointer_size}"))).view(np.uint64)
    first = packed[:, 0]
    for width, none, name in _KINDS:
        rows = np.flatnonzero((first != 0) & (first & np.uint64(none) == 0))
        seen = np.ascontiguousarray(packed[rows, : _SEEN // 8])
        labels.put(given.rows[rows[_is_text(seen.view(np.dtype(f"u{width}")))]], name, Confidence.POSSIBLE)


def _is_text(units: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """Return which rows are letters from their beginning on, up to a zero, or all of what is seen."""
    printable = (units >= 0x20) & (units < 0x7F)
    whole = printable.all(axis=1)
    length = np.where(whole, units.shape[1], np.argmin(printable, axis=1))
    ends = whole | (units[np.arange(len(units)), np.minimum(length, units.shape[1] - 1)] == 0)
    inside = np.arange(units.shape[1])[None, :] < length[:, None]
    lower = units | 0x20
    letters = ((lower >= ord("a")) & (lower <= ord("z"))) | (units == 0x20)
    many = (letters & inside).sum(axis=1) >= _LETTERS * length
    found: NDArray[np.bool_] = ends & many & (length >= _SHORTEST)
    return found
