"""What an array of pointers is one of, where nobody but its own words says: of the type that all of them lead to, or of
a base class of those, as far as the program has pointers to such pointers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray


class KinArrays:
    """Knows what the debug information has pointers to pointers to."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._declared: frozenset[int] | None = None

    def elements(self, target: NDArray[np.int32]) -> Sequence[int]:
        """Return the structs that the pointers of such an array may be declared to lead to, given the blocks that they
        lead to: one where it is told, several where all would do, none where nothing goes with all blocks."""
        state = self._state
        types = distinct(state.type[target]).tolist()
        if not types or types[0] < 0:
            return ()
        common = list(state.embedded.at(types[0], 0))
        for other in types[1:]:
            here = state.embedded.at(other, 0)
            common = [each for each in common if each in here]
        declared = [each for each in common if each in self._known()]
        return declared or common[: len(types) == 1]

    def may_be_anything(self) -> bool:
        """Whether there are arrays of pointers to anything, too: an array of void * may hold just one type's."""
        return NONE in self._known()

    def _known(self) -> frozenset[int]:
        if self._declared is None:
            self._declared = frozenset(_pointed_to_twice(self._state.book))
        return self._declared


def settle_arrays(state: TypingState) -> None:
    """Have the arrays of pointers that were guessed by their own words alone called what typed pointers to them say, as
    far as these came to be known later."""
    guessed = (state.how == How.POINTS_TO) & (state.confidence == Confidence.POSSIBLE) & (state.count > 0)
    graph = state.graph
    edges = np.flatnonzero(guessed[graph.target] & (graph.offset == 0) & (state.type >= 0)[graph.source])
    words = words_of(state, edges)
    kind = state.layouts.kind[state.layouts.local(np.maximum(words.code, NONE))]
    words = words.at((words.code >= 0) & (kind == TypeKind.POINTER))
    words = words.at(np.unique(words.target, return_index=True)[1])
    state.changes += 1
    state.type[words.target], state.how[words.target] = words.code, How.ARRAY
    state.confidence[words.target] = state.trust[words.target] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    state.parent[words.target], state.parent_place[words.target] = words.parent, words.place


def _pointed_to_twice(book: TypeBook) -> set[int]:
    kinds, targets = book.kinds_and_targets()
    pointers = np.flatnonzero(kinds == TypeKind.POINTER)
    behind = np.array([book.stripped(each) for each in targets[pointers].tolist()], np.int64)
    known = np.flatnonzero((behind != NONE) & (behind < len(kinds)))
    twice = behind[known][kinds[behind[known]] == TypeKind.POINTER]
    return {book.stripped(each) for each in targets[twice].tolist()}
