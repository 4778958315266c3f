"""What void * members hold, by the functions beside them: a callback, or a table of operations, is handed the pointer,
and has variables of the type that it knows it by."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.brothers import undecided_words
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import oddities
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.functions_around import functions_back, functions_led_to
from gdbheap.analysis.types.functions_beside import types_beside
from gdbheap.analysis.types.readings import WRONG, reading
from gdbheap.analysis.types.root_words import covering_roots, root_words
from gdbheap.analysis.types.slots import VOID
from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState, known_of
from gdbheap.analysis.types.words import NO_SLOT, TypedWords, joined_words
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct, first_of_each
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

# So many members, and words of a struct, are looked at.
_MOST_MEMBERS = 256
_MOST_WORDS = 32
# So many sets of functions around the structs are asked.
_MOST_AROUND = 64
# More types say nothing: of those that functions a step away know fewer.
_MOST_TYPES, _MOST_AROUND_TYPES = 512, 12


class Callbacks:
    """Names what functions are handed. It remembers which types none of some blocks went with: they are asked again
    when something else is known of what the blocks lead to."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._in_vain: set[int] = set()

    def find(self) -> Claims:
        """Return claims of blocks without a type that void * members lead to."""
        state = self._state
        if state.sources.types_in_function is None:
            return joined([])
        of_roots = root_words(state, state.roots, covering_roots(state, state.roots))
        words = joined_words([self._undecided(undecided_words(state)), self._undecided(of_roots)])
        found = []
        for slot in distinct(words.slot).tolist()[:_MOST_MEMBERS]:
            here = words.at(words.slot == slot)
            found += list(self._of_member(slot, here.at(first_of_each(here.target, len(state)))))
        return joined(found)

    def _undecided(self, words: TypedWords) -> TypedWords:
        """Return those of the words that are void * members which lead to the start of a block without a type."""
        is_member = (words.code == VOID) & (words.slot != NO_SLOT) & (words.offset == 0)
        return words.at(is_member & (self._state.type[words.target] < 0))

    def _of_member(self, slot: int, words: TypedWords) -> Iterator[Claims]:
        """Yield claims of what the same member of several structs leads to."""
        state, size = self._state, self._state.layouts.pointer_size
        owner, word = state.layouts.owner(slot)
        struct, offset = tagged_part(state.book, owner, word * size)
        count = min(len(state.layouts.of(struct).codes), _MOST_WORDS)
        all_words = gather_words(state.process.memory, size, words.place - np.uint64(offset), count)
        beside = np.where(state.modules.hold(all_words), all_words, 0)
        told = np.zeros(len(words), np.bool_)
        if beside.any():
            # (Few structs of one kind have other functions beside it than most.)
            rows, which = np.unique(beside, axis=0, return_inverse=True)
            for number, row in enumerate(rows.tolist()):
                here = which.reshape(-1) == number
                found = self._told(types_beside(state, row) - {struct, owner}, words.at(here), WRONG, _MOST_TYPES)
                told[here] |= np.isin(words.target[here], found.block)
                yield found
        all_words, words = all_words[~told], words.at(~told)
        # (Who holds all of a kind has functions that handle much.)
        led_to, back = functions_led_to(state, all_words, words.parent), functions_back(state, words.parent)
        for around, least in ((led_to, 0), (back, 1)):
            for number, row in enumerate(around.words[:_MOST_AROUND]):
                beside_these = types_beside(state, row) - {struct, owner}
                candidates = [each for each in beside_these if not self._lies_in(each, around.types[number])]
                yield self._told(candidates, words.at(around.which == number), least, _MOST_AROUND_TYPES)

    def _lies_in(self, number: int, kinds: frozenset[int]) -> bool:
        """Whether the type is one of these, or lies in one of them."""
        return number in kinds or any(holder in kinds for holder, _ in self._state.embedded.holders(number))

    def _told(self, candidates: Collection[int], words: TypedWords, least: int, most: int) -> Claims:
        """Return claims of the blocks that just one of the types goes with, and better than `least`."""
        if not 0 < len(candidates) <= most:
            return joined([])
        asked = hash((tuple(sorted(candidates)), least, known_of(self._state, words.target)))
        if asked in self._in_vain:
            return joined([])
        scores = np.stack([self._score(number, words.target) for number in sorted(candidates)])
        alone = np.count_nonzero(scores > WRONG, axis=0) == 1
        found = []
        for row, number in enumerate(sorted(candidates)):
            here = words.at(alone & (scores[row] > least))
            found.append(
                claims(
                    here.target,
                    number,
                    How.CALLBACK,
                    Confidence.LIKELY,
                    parent=here.parent,
                    parent_place=here.place,
                )
            )
        if not any(map(len, found)):
            self._in_vain.add(asked)
        return joined(found)

    def _score(self, number: int, blocks: NDArray[np.int32]) -> NDArray[np.int64]:
        state, layout = self._state, self._state.layouts.of(number)
        scores = reading(state, number, blocks)
        as_large = fits(state.room[blocks], layout.size, state.layouts.overhead)
        as_large |= (layout.flexible >= 0) & (state.room[blocks] >= max(layout.flexible, 0))
        ordered, which = np.unique(blocks, return_inverse=True)
        odd = oddities(state, number, ordered)[which.reshape(-1)] > 0
        return np.where(as_large & ~odd, scores, WRONG)
