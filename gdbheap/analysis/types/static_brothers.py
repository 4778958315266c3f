"""Blocks that hold the same pointer to a function or to data of a module, in the same place, as others of their size
whose type is known: a callback, a table of operations, a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.slots import CODE
from gdbheap.analysis.types.static_words import words_into
from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, slots_at
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many blocks of one type, and none of another, must have it.
_FEWEST = 2
# So many places of such words are looked at, and so many other types that have the same there.
_MOST_PLACES, _MOST_OTHERS = 16, 64


class StaticBrothers:
    """Remembers the words that point into modules: they do not change."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        ranges = [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file]
        self._block, self._place, word = words_into(state, ranges)
        self._key = codes_of(state.room[self._block], self._place, word)

    def find(self) -> Claims:
        """Return claims of the blocks that have no type yet."""
        state = self._state
        if not len(self._key):
            return joined([])
        types = state.type[self._block]
        # (Most words are only in blocks whose type is known.)
        asked = np.bincount(self._key, types < 0) > 0
        named = np.flatnonzero(state.well_named()[self._block] & asked[self._key])
        named = named[self._are_telling(types[named], named)]
        count = np.bincount(self._key[named], minlength=int(self._key.max()) + 1)
        one = np.full(len(count), -1, np.int64)
        one[self._key[named]] = types[named]
        alike = np.bincount(self._key[named], one[self._key[named]] == types[named], len(count)) == count
        wanted = np.where(alike & (count >= _FEWEST), one, -1)
        told = wanted[self._key]
        here = np.flatnonzero((types < 0) & (told >= 0))
        return joined([self._of_type(number, here[told[here] == number]) for number in distinct(told[here]).tolist()])

    def _of_type(self, number: int, rows: NDArray[np.intp]) -> Claims:
        state = self._state
        blocks = distinct(self._block[rows]).astype(np.int32)
        good, bad = evidence(state, number, blocks)
        bad = bad + oddities(state, number, blocks)
        for other in self._with_the_same_part(number, rows):
            # (What several structs begin with tells none of them.)
            said, against = evidence(state, other, blocks)
            bad += (state.room[blocks] == self._room(other)) & (against == 0) & (said >= good)
        return claims(blocks[bad == 0], number, How.SAME_CALL, Confidence.LIKELY)

    def _with_the_same_part(self, number: int, rows: NDArray[np.intp]) -> list[int]:
        """Return the other structs that have the struct around one of these words just where this type has it."""
        state, found = self._state, []
        for place in distinct(self._place[rows])[:_MOST_PLACES].tolist():
            inner, within = tagged_part(state.book, number, place)
            holders = [each for each, offset in state.embedded.holders(inner) if offset == place - within]
            found += [each for each in holders if each != number and each not in found]
        return found[:_MOST_OTHERS]

    def _room(self, number: int) -> int:
        size = self._state.book.info(number).size
        return int(least_room(size, self._state.layouts.overhead))

    def _are_telling(self, types: NDArray[np.int32], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which of the words at these rows, in blocks of these types, are pointers to functions or to structs:
        many a struct has the same text."""
        state = self._state
        whole = np.ones(len(types), np.bool_)
        slot, code = slots_at(state, types, self._place[rows] - state.part[self._block[rows]], ~whole, whole)
        local = state.layouts.local(np.maximum(code, -1))  # lays out what is not yet
        kind = state.layouts.kind[local]
        found: NDArray[np.bool_] = (slot != NO_SLOT) & ((code == CODE) | ((code >= 0) & (kind == TypeKind.STRUCT)))
        return found
