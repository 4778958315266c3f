"""void * members that lead to structs which begin with one header, told apart by a tag in it: what else they lead to is
one of these, where its tag or its size says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.bases import only_fitting, tagged
from gdbheap.analysis.types.brothers import void_words
from gdbheap.analysis.types.claims import Claims, joined
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many blocks must hang on a member that are known to begin with the header, in percent of all that are known; where
# none is known, so many must go with it, and be of so many types.
_FEWEST, _MOSTLY = 4, 50
_NEARLY_ALL, _TYPES = 90, 2


def common_headers(state: TypingState) -> Claims:
    """Return claims of the blocks that such members lead to."""
    if not state.tag_rules:
        return joined([])
    words = void_words(state)
    unknown = state.type[words.target] < 0
    found = []
    for slot in distinct(words.slot[unknown]).tolist():
        here = words.slot == slot
        known, chosen = distinct(words.target[here & ~unknown]), words.at(here & unknown)
        mostly = _headers(state, known)
        for header in mostly or (state.tag_rules if not len(known) else ()):
            by_tag, rest = tagged(state, replace(chosen, code=np.full(len(chosen), header, np.int32)))
            told = joined([by_tag, only_fitting(state, header, rest)])
            if mostly or _are_many(told, len(distinct(chosen.target))):
                found.append(told)
    return joined(found)


def _are_many(told: Claims, blocks: int) -> bool:
    """Whether so much is told of so many blocks that no accident makes it."""
    enough = 100 * len(distinct(told.block)) >= _NEARLY_ALL * blocks
    return blocks >= _FEWEST and enough and len(distinct(told.type)) >= _TYPES


def _headers(state: TypingState, known: NDArray[np.int32]) -> list[int]:
    """Return the headers with a tag that most of these blocks begin with."""
    if len(known) < _FEWEST:
        return []
    types, count = np.unique(state.type[known], return_counts=True)
    return [
        header
        for header in state.tag_rules
        if 100
        * sum(n for number, n in zip(types.tolist(), count.tolist()) if state.embedded.begins_with(number, header))
        >= _MOSTLY * len(known)
    ]
