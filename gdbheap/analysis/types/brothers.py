"""What void * members hold, by what the same member holds elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.libstdcxx import is_closure
from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords, Wanted, words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct, first_of_each

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many blocks of one type must hang on a member, among them no others of that size.
_FEWEST = 3
# A place in the table of slots and the room of a block go into one number.
_ROOM_BITS = 36


def brothers(state: TypingState) -> Claims:
    """Return claims of the blocks that void * members lead to, where all others of that size that the same member
    leads to are of one type."""
    words = void_words(state)
    types, room = state.type[words.target], state.room[words.target]
    known = np.flatnonzero(state.well_named()[words.target])
    key = (words.slot << _ROOM_BITS) + np.minimum(room, (1 << _ROOM_BITS) - 1)
    keys, first, which, count = np.unique(key[known], return_index=True, return_inverse=True, return_counts=True)
    one = types[known[first]]
    alike = np.bincount(which, one[which] == types[known], len(keys)) == count
    found = []
    for at in np.flatnonzero(alike & (count >= _FEWEST)).tolist():
        number = int(one[at])
        if is_closure(state.book, number):
            continue  # each function object holds its own
        here = np.flatnonzero((key == keys[at]) & (types < 0))
        here = here[first_of_each(words.target[here], len(state))]
        chosen = words.at(here)
        chosen = chosen.at(evidence(state, number, chosen.target)[1] == 0)
        found.append(
            claims(
                chosen.target,
                number,
                How.SIBLING_ROLE,
                Confidence.LIKELY,
                parent=chosen.parent,
                parent_place=chosen.place,
            )
        )
    return joined(found)


def void_words(state: TypingState) -> TypedWords:
    """Return the words of all void * members of which some lead to blocks without a type."""
    return state.remembered("void words", lambda: _void_words(state))


def _void_words(state: TypingState) -> TypedWords:
    undecided = undecided_words(state)
    if not len(undecided):
        return undecided
    holders = np.isin(state.type, distinct(state.type[undecided.parent]))
    words = _those_of(state, np.flatnonzero(holders[state.graph.source] & (state.graph.offset == 0)))
    return words.at(np.isin(words.slot, distinct(undecided.slot)))


def undecided_words(state: TypingState) -> TypedWords:
    """Return those of them that lead to blocks without a type."""
    return state.remembered("undecided words", lambda: _undecided_words(state))


def _undecided_words(state: TypingState) -> TypedWords:
    graph = state.graph
    unknown = (state.type < 0)[graph.target] & (graph.offset == 0)
    edges = np.flatnonzero(unknown)
    return _those_of(state, edges[state.type[graph.source[edges]] >= 0])


def _those_of(state: TypingState, edges: NDArray[np.intp]) -> TypedWords:
    """Return those of the edges, all of typed blocks, that are void * members, perhaps in a union with numbers."""
    words = words_of(state, edges, Wanted.VOID)
    slots = distinct(words.slot[words.code == MIXED])
    others = [each for each in slots.tolist() if not _may_be_anything(state, each)]
    return words.at(~np.isin(words.slot, np.array(others, np.int64)))


def _may_be_anything(state: TypingState, slot: int) -> bool:
    """Whether the union at this place holds a void *, and no other pointer."""
    number, word = state.layouts.owner(slot)
    inside = state.layouts.mixed.get((state.book.stripped(number), word), ())
    return VOID in inside and not any(each >= 0 for each in inside)
