"""Words of unions: of the pointers that one may be, the one that goes with what it points to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.pointer_arrays import arrays_of_pointers
from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords
from gdbheap.lazy import np
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unions(state: TypingState, waiting: TypedWords) -> Claims:
    """Return claims of the blocks that words of unions point to."""
    words = waiting.at((waiting.code == MIXED) & (waiting.offset == 0) & (waiting.slot != NO_SLOT))
    words = words.at(np.unique(words.target, return_index=True)[1])
    found = []
    for slot in np.unique(words.slot).tolist():
        kinds = state.layouts.mixed.get(state.layouts.owner(slot), ())
        found += _of_union(state, words.at(words.slot == slot), [each for each in kinds if each >= 0])
    return joined(found)


def _of_union(state: TypingState, words: TypedWords, kinds: list[int]) -> list[Claims]:
    """Text comes first: it fits into any size, and structs seldom look like it."""
    found = []
    for number in kinds:
        if state.book.info(number).kind is TypeKind.CHARACTER:
            text = is_text(state, words.target)
            found.append(_claims(state, words.at(text), number, Confidence.LIKELY))
            words = words.at(~text)
    for number in kinds:
        if state.book.info(number).kind is TypeKind.POINTER:
            claimed = _arrays(state, words, number)
            found.append(claimed)
            words = words.at(~np.isin(words.target, claimed.block))
    structs = [each for each in kinds if state.book.info(each).kind in (TypeKind.STRUCT, TypeKind.UNION)]
    if not structs or not len(words):
        return found
    score = np.stack([_score(state, words, number) for number in structs])
    best = score.argmax(axis=0)
    ties = (score == score.max(axis=0)).sum(axis=0) > 1
    fine = score.max(axis=0) >= 0
    for row, number in enumerate(structs):
        for tied, confidence in ((False, Confidence.LIKELY), (True, Confidence.POSSIBLE)):
            here = fine & (best == row) & (ties == tied)
            found.append(_claims(state, words.at(here), number, confidence))
    for place in np.flatnonzero(fine & ties).tolist():
        equal = tuple(number for row, number in enumerate(structs) if score[row, place] == score[:, place].max())
        state.alternatives[int(words.target[place])] = equal
    return found


def _arrays(state: TypingState, words: TypedWords, number: int) -> Claims:
    """Return claims of the targets that are arrays of these pointers: the first word, and all others that are not 0,
    lead to blocks that go with the type."""
    good, bad = evidence(state, number, words.target, 0, True)
    words = words.at((bad == 0) & (good > 0) & (np.diff(state.begin)[words.target] > 0))
    found = arrays_of_pointers(state, replace(words, code=np.full(len(words), number, np.int32)))
    found.confidence[:] = np.minimum(found.confidence, int(Confidence.LIKELY))
    return found


def _score(state: TypingState, words: TypedWords, number: int) -> NDArray[np.int32]:
    """Return how much speaks for the type, -1 where anything speaks against it."""
    good, bad = evidence(state, number, words.target)
    room = state.room[words.target]
    size = np.full(len(room), state.book.info(number).size)
    return np.where((bad == 0) & fits(room, size, state.layouts.pointer_size), good, -1).astype(np.int32)


def _claims(state: TypingState, words: TypedWords, number: int, confidence: Confidence) -> Claims:
    is_text = state.book.info(number).kind is TypeKind.CHARACTER
    count = state.room[words.target].astype(np.int32) if is_text else 0
    found = claims(words.target, number, How.MEMBER, count=count, parent=words.parent, parent_place=words.place)
    found.confidence[:] = np.minimum(words.trust, int(confidence))
    return found
