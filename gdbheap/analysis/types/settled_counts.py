"""How many elements arrays have: malloc's room for them often has a place for one more. A number beside the pointer
that goes with the room tells, or a pointer beside it to where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many members that lead to arrays are looked at.
_MOST_SLOTS = 1 << 12
# A pointer to an array's end lies no farther from that to its beginning than so many words.
_NEAR = 8


def settle_counts(state: TypingState, words: TypedWords) -> None:
    """Correct the counts of arrays that may have fewer elements than there is room for, by what lies beside the pointer
    that told what they are, if it is one of these words (of all typed blocks, or of all variables)."""
    telling = (words.offset == 0) & (words.slot != NO_SLOT) & (words.place == state.parent_place[words.target])
    telling &= (state.count[words.target] > 1) & state.whole[words.target] & (state.part[words.target] == 0)
    chosen = words.at(telling)
    local = state.layouts.local(state.type[chosen.target])  # lays out what is not yet
    size = state.layouts.size[local]
    fewer = least_room((state.count[chosen.target] - 1) * size, state.layouts.overhead)
    open_to_doubt = (size > 1) & (fewer == state.room[chosen.target])
    chosen, size = chosen.at(open_to_doubt), size[open_to_doubt]
    if not len(chosen):
        return
    told = _by_ends(state, words, chosen, size)
    left = np.flatnonzero(told == 0)
    told[left] = _by_numbers(state, chosen.at(left), size[left])
    known = told > 0
    state.count[chosen.target[known]] = told[known]


def _sound(state: TypingState, words: TypedWords, count: Numbers, size: Numbers) -> NDArray[np.bool_]:
    """Return which counts go with the room."""
    sound: NDArray[np.bool_] = (count > 0) & (count < state.count[words.target])
    sound &= least_room(np.where(sound, count, 0) * size, state.layouts.overhead) == state.room[words.target]
    return sound


def _by_ends(state: TypingState, words: TypedWords, chosen: TypedWords, size: Numbers) -> Numbers:
    """Return the counts by the farthest pointer into each array that lies beside the one to its beginning; 0 for
    none."""
    place = np.zeros(len(state), np.uint64)
    place[chosen.target] = chosen.place
    near = np.uint64(_NEAR * state.layouts.pointer_size)
    beside = (words.offset > 0) & (words.place - place[words.target] <= near)
    farthest = np.zeros(len(state), np.int64)
    np.maximum.at(farthest, words.target[beside], words.offset[beside].astype(np.int64))
    end = farthest[chosen.target]
    count = np.where(end % size == 0, end // size, 0)
    return np.where(_sound(state, chosen, count, size), count, 0)


def _by_numbers(state: TypingState, words: TypedWords, size: Numbers) -> Numbers:
    """Return the counts by the numbers beside each pointer; 0 for none. (With the smallest block any small number
    goes.)"""
    told = np.zeros(len(words), np.int64)
    smallest = least_room(1, state.layouts.overhead)
    for slot in distinct(words.slot).tolist()[:_MOST_SLOTS]:
        here = np.flatnonzero((words.slot == slot) & (state.room[words.target] > smallest))
        owner, word = state.layouts.owner(slot)
        struct, within = tagged_part(state.book, owner, word * state.layouts.pointer_size)
        of_slot = words.at(here)
        for offset, width in integers_of(state, struct):
            count = read_integers(state, of_slot.place - np.uint64(within) + np.uint64(offset), width)
            sound = (told[here] == 0) & _sound(state, of_slot, count, size[here])
            told[here[sound]] = count[sound]
    return told
