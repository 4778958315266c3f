"""Which blocks could be told by what they point to at all: most of a large heap without types could not, and need not
be looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, codes_of, counted, distinct, firsts_of
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.intp]
    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int64]
    Places = NDArray[np.uint64]

# So many words of a block have a bit each.
_WORDS = 64
# The words of so many sizes of blocks are asked for; the blocks of others may be anything.
_MOST_ROOMS = 512


def may_be_told(
    state: TypingState, growing: Sequence[int], words_of: Callable[[int], Mask], blocks: Blocks, most: int
) -> Mask:
    """Return which of the blocks have just the room of a struct, of one of the `growing` ones (they end with a
    flexible array) with some elements, and pointers only where one of these may; or whose first `most` pointers all
    lead to what has a type: they may be arrays of such. `words_of` gives for a room in which words each of the types
    that it is for may have a pointer."""
    rooms, count = counted(state.room[blocks])
    kinds, sizes = state.book.kinds_and_sizes()
    structs = sizes[(kinds == TypeKind.STRUCT) & (sizes > 0)]
    good = are_among(rooms, distinct(least_room(structs, state.layouts.overhead)))
    for number in growing:
        good |= may_grow_to(state, number, rooms)
    found: Mask = are_among(state.room[blocks], rooms[good])
    asked = rooms[good][np.argsort(-count[good], kind="stable")[:_MOST_ROOMS]]
    found &= ~_pointing_elsewhere(state, words_of, blocks, np.sort(asked))
    return found | _may_be_array(state, blocks, most)


def may_grow_to(state: TypingState, number: int, rooms: Numbers) -> Mask:
    """Return for which rooms some elements of the struct's flexible array, one at least, take just so much."""
    layout, overhead = state.layouts.of(number), state.layouts.overhead
    if layout.flexible < 0 or layout.stride < state.layouts.pointer_size:
        return np.zeros(len(rooms), np.bool_)
    count = (rooms - layout.flexible) // layout.stride
    found: Mask = (count >= 1) & (least_room(layout.flexible + count * layout.stride, overhead) == rooms)
    return found


def _pointing_elsewhere(state: TypingState, words_of: Callable[[int], Mask], blocks: Blocks, rooms: Numbers) -> Mask:
    """Return which of the blocks, of these rooms, have a pointer where no type for so much room may have one of those
    that it has."""
    pointing = _words_with_pointers(state)[blocks]
    chosen = np.flatnonzero(are_among(state.room[blocks], rooms))
    which = codes_of(state.room[blocks[chosen]], pointing[chosen])
    first = chosen[firsts_of(which)]
    allowed = {room: _as_bits(words_of(room)) for room in rooms.tolist()}
    elsewhere = np.zeros(len(blocks), np.bool_)
    pairs = zip(state.room[blocks[first]].tolist(), pointing[first])
    elsewhere[chosen] = np.array([(bits & ~allowed[room]).all() for room, bits in pairs], np.bool_)[which]
    return elsewhere


def _words_with_pointers(state: TypingState) -> Places:
    """Return for each block a bit for each of its first words that point into a block."""
    found = np.zeros(len(state), np.uint64)
    word = state.graph.place // np.uint32(state.layouts.pointer_size)
    bits = np.where(word < _WORDS, np.uint64(1) << np.minimum(word, _WORDS - 1).astype(np.uint64), np.uint64(0))
    used = np.flatnonzero(state.degree)
    if len(used):
        found[used] = np.bitwise_or.reduceat(bits, state.begin[used])
    return found


def _as_bits(words: Mask) -> Places:
    """Return a bit for each of the first words of each type."""
    bits = np.uint64(1) << np.arange(min(words.shape[1], _WORDS), dtype=np.uint64)
    found: Places = (words[:, : len(bits)] * bits).sum(axis=1, dtype=np.uint64)
    return found


def _may_be_array(state: TypingState, blocks: Blocks, most: int) -> Mask:
    """Return which of the blocks have several pointers, all of them (of more than `most`: some) to what has a type."""
    target = state.graph.target
    typed = (state.type[target] >= 0) & (state.graph.offset == 0)
    before = np.zeros(len(typed) + 1, np.int64)
    np.cumsum(typed, out=before[1:])
    count = before[state.begin[blocks + 1]] - before[state.begin[blocks]]
    degree = state.degree[blocks]
    found: Mask = (degree > 1) & ((count == degree) | ((degree > most) & (count > 0)))
    return found
