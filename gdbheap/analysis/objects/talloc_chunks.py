"""talloc's chunks: a header in front of the user's bytes has their size, and a name: a type's, or a place in the
source (talloc.c: struct talloc_chunk, 2.1 to 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.objects.block_words import BlockWords
from gdbheap.analysis.objects.labels import Labels
from gdbheap.analysis.objects.lookup import Lookup, values_of
from gdbheap.lazy import np
from gdbheap.process.memory import text_at
from gdbheap.types.confidence import Confidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Words of the header, then those of name and size, of old headers and of new ones: in these the flags come first.
_HEADER = 12
_PLACES = ((7, 8), (6, 7))
_FLAGS = 0xFFFF_FFF0
_LONGEST = 200
# No type's name, and no place in a source, is shorter ("int").
_SHORTEST = 3


class TallocChunks:
    """Names blocks whose header says how large they are and how they are called."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._present = any("libtalloc" in module.path for module in lookup.process.modules)
        self._texts: dict[int, str] = {}

    def name(self, given: BlockWords, labels: Labels) -> None:
        """Name the blocks "talloc NAME"."""
        size = np.uint64(given.pointer_size)
        for name, length in _PLACES:
            used = given.words[:, length] + np.uint64(_HEADER) * size
            # What malloc gives is rounded up to two words, and one more is the next chunk's.
            fits = np.flatnonzero((used <= given.size) & (used + np.uint64(3) * size > given.size))
            words = given.words[fits]
            fits = fits[
                (words[:, name] != 0) & _has_magic(words, 0 if name == 7 else 8) & _links_are_pointers(words, name == 7)
            ]
            for address, rows in values_of(given.words[:, name], fits):
                text = self._text(address)
                if text:
                    sure = Confidence.CERTAIN if self._present else Confidence.LIKELY
                    labels.put(given.rows[rows], f"talloc {text}", sure)

    def _text(self, address: int) -> str:
        if address not in self._texts:
            text = text_at(self._lookup.process.memory, address, _LONGEST)
            named = len(text) >= _SHORTEST and text == text.strip()
            named = named and all(0x20 <= octet < 0x7F for octet in text)
            self._texts[address] = text.decode("ascii") if named else ""
        return self._texts[address]


def _has_magic(words: NDArray[np.uint64], place: int) -> NDArray[np.bool_]:
    """Return which have a magic number, not a pointer or nothing, in their flags."""
    flags = words[:, place]
    magic: NDArray[np.bool_] = (
        (flags & np.uint64(_FLAGS) != 0) & (flags >> np.uint64(32) == 0) & (flags >= np.uint64(1 << 16))
    )
    return magic


def _links_are_pointers(words: NDArray[np.uint64], flags_first: bool) -> NDArray[np.bool_]:
    """Return which have, in place of links (next, prev, parent, child, refs, destructor), nothing or addresses."""
    links = words[:, 1:7] if flags_first else words[:, :6]
    found: NDArray[np.bool_] = ((links == 0) | (links >= np.uint64(1 << 16))).all(axis=1)
    return found
