"""void * members that lead to structs which begin with one header, told apart by a tag in it: what else they lead to is
one of these, where its tag or its size says so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.bases import bases, only_fitting, tagged
from gdbheap.analysis.types.brothers import void_words
from gdbheap.analysis.types.claims import Claims, joined
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many blocks must hang on a member that are known to begin with the header, in percent of all that are known; where
# none is known, so many must go with it, and be of so many types.
_FEWEST, _MOSTLY = 4, 50
_NEARLY_ALL, _TYPES = 90, 2
# So many structs begin with a header that is tried without a rule; and so many headers are.
_HOLDERS, _MOST_HEADERS = 3, 32


def common_headers(state: TypingState) -> Claims:
    """Return claims of the blocks that such members lead to."""
    headers = _possible_headers(state)
    if not state.tag_rules and not headers:
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
            if mostly and not len(told):
                found.append(_learned(state, header, rest, 1))
        if not len(known) and not any(len(each) for each in found):
            found += [_learned(state, header, chosen, _TYPES) for header in headers]
    return joined(found)


def _possible_headers(state: TypingState) -> list[int]:
    """Return structs without a rule yet that several others begin with; some, where there are many."""
    kinds, sizes = state.book.kinds_and_sizes()
    found: list[int] = []
    for number in np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > 0)).tolist():
        beginning = sum(not place for _, place in state.embedded.holders(number)) if len(found) < _MOST_HEADERS else 0
        if beginning >= _HOLDERS and number not in state.tag_rules and state.book.info(number).language == "c":
            found.append(number)
    return found


def _learned(state: TypingState, header: int, words: TypedWords, least: int) -> Claims:
    """Return claims of the blocks that these words lead to if a tag in such a header tells what they are, of so many
    types at `least`, and nearly all go with it."""
    before = dict(state.tag_rules), dict(state.learned), dict(state.pools)
    told = bases(state, state.embedded, replace(words, code=np.full(len(words), header, np.int32)))
    told = told.at(told.type != header)
    if header in state.tag_rules and _are_many(told, len(distinct(words.target)), least):
        return told
    state.tag_rules, state.learned, state.pools = before
    return joined([])


def _are_many(told: Claims, blocks: int, types: int = _TYPES) -> bool:
    """Whether so much, and of so many types, is told of so many blocks that no accident makes it."""
    enough = 100 * len(distinct(told.block)) >= _NEARLY_ALL * blocks
    return blocks >= _FEWEST and enough and len(distinct(told.type)) >= types


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
