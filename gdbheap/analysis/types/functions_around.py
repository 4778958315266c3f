"""The functions a step away from a word: in blocks that its struct leads to (a device's driver), and in those that led
to it (the hash table that a node is of)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import codes_of, distinct, firsts_of
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.int64]

# So many words of a block are looked at, so many blocks that one member of structs leads to, so many steps back, and of
# these so many to blocks of other types.
_MOST_WORDS = 16
_MOST_BLOCKS = 1 << 14
_MOST_BACK, _MOST_KINDS = 16, 3


@dataclass(frozen=True)
class Around:
    """Sets of words that lead into modules, of the blocks around some structs; `which` of these sets goes with which
    struct; and the types of those blocks, a set for each of the sets."""

    words: list[list[int]]
    which: Column
    types: list[frozenset[int]]


def functions_led_to(state: TypingState, words: NDArray[np.uint64], parents: NDArray[np.int32]) -> Around:
    """Return what blocks hold that the structs in the blocks `parents`, whose `words` are a row each, lead to."""
    return _of_blocks(state, [_led_to(state, words[:, at], parents) for at in range(words.shape[1])])


def functions_back(state: TypingState, parents: NDArray[np.int32]) -> Around:
    """Return what blocks hold that have led to these."""
    # Many words may lie in one block: each is looked at once, in the order of the words (the last place is for -1).
    place = np.full(len(state) + 1, len(parents), np.int64)
    place[parents[::-1]] = np.arange(len(parents) - 1, -1, -1)
    each = np.flatnonzero(place < len(parents))
    each = each[np.argsort(place[each])]
    place[each] = np.arange(len(each))
    around = _of_blocks(state, _back(state, np.where(each < len(state), each, -1)))
    return Around(around.words, around.which[place[parents]], around.types)


def _of_blocks(state: TypingState, columns: list[Column]) -> Around:
    around = np.stack(columns, axis=1)
    known, which_known = _functions_in(state, around)
    ids = np.where(around >= 0, which_known[around], 0)
    which = codes_of(*(ids[:, at] for at in range(ids.shape[1])))
    rows: list[list[int]] = []
    types: list[frozenset[int]] = []
    for first in firsts_of(which).tolist():
        here = distinct(ids[first])
        rows.append(distinct(known[here].reshape(-1)).tolist())
        blocks = around[first][around[first] >= 0]
        types.append(frozenset(distinct(state.type[blocks]).tolist()))
    return Around(rows, which, types)


def _led_to(state: TypingState, words: NDArray[np.uint64], parents: NDArray[np.int32]) -> Column:
    """Return the typed blocks that a struct's word leads to, -1 where to none, to one of its own type, or too many."""
    block = state.starting_at(words)
    block[block >= 0] = np.where(state.type[block[block >= 0]] >= 0, block[block >= 0], -1)
    own = np.where(parents >= 0, state.type[parents], -1)
    block[(block >= 0) & (state.type[block] == own)] = -1
    if len(distinct(block)) > _MOST_BLOCKS:
        block[:] = -1
    return block


def _back(state: TypingState, parents: Column) -> list[Column]:
    """Return the blocks that led to these, those of other types than the one before, the nearest first."""
    found = [np.full(len(parents), -1, np.int64) for _ in range(_MOST_KINDS)]
    at, kinds = parents, np.zeros(len(parents), np.int64)
    for _ in range(_MOST_BACK):
        before = np.where(at >= 0, state.parent[at], -1).astype(np.int64)
        other = (before >= 0) & (state.type[before] != state.type[at])
        for kind in range(_MOST_KINDS):
            here = other & (kinds == kind)
            found[kind][here] = before[here]
        kinds += other
        at = before
    return found


def _functions_in(state: TypingState, around: Column) -> tuple[NDArray[np.uint64], Column]:
    """Return the words of blocks that lead into modules, a row for each set of them (the first: none), and which of
    these rows each block has."""
    blocks = distinct(around[around >= 0])
    which_known = np.zeros(len(state), np.int64)
    size = state.layouts.pointer_size
    words = gather_words(state.process.memory, size, state.held.blocks.start[blocks], _MOST_WORDS)
    inside = np.arange(_MOST_WORDS)[None, :] < (state.room[blocks] // size)[:, None]
    words[~(inside & state.modules.hold(words))] = 0
    words = np.concatenate((np.zeros((1, _MOST_WORDS), np.uint64), words))
    which = codes_of(*(words[:, at] for at in range(_MOST_WORDS)))
    which_known[blocks] = which[1:]
    return words[firsts_of(which)], which_known
