"""Arrays behind something else in their block (a hash table's numbers, its control bytes), to whose start a pointer
leads: a number in front of them, or beside the pointer, says how many elements the rest of the room is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.counts import counted_beside, read_integers
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.libstdcxx import is_value
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, first_of_each
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many kinds of such pointers (one type at one offset) are looked at; and in so many bytes in front for a number.
_MOST_GROUPS, _MOST_BYTES = 512, 64
_WIDTHS = (4, 8)
# A single element has the rest of the room by accident.
_FEWEST = 2


def counted_behind(state: TypingState, words: TypedWords) -> Claims:
    """Return claims of the blocks that these words lead into."""
    layouts = state.layouts
    local = layouts.local(np.maximum(words.code, -1).astype(np.int32))  # lays out what is not yet
    is_struct = (words.code >= 0) & ((layouts.kind[local] == TypeKind.STRUCT) | (layouts.kind[local] == TypeKind.UNION))
    size, offset = layouts.size[local], words.offset.astype(np.int64)
    near = is_struct & (offset > 0) & (offset % layouts.pointer_size == 0) & (size > 0)
    words = words.at(near & (offset + _FEWEST * size <= state.room[words.target]))
    words = words.at(first_of_each(words.target, len(state)))
    which = codes_of(words.code, words.offset)
    found = [
        _of_group(state, words.at(which == group))
        for group in np.argsort(-np.bincount(which), kind="stable")[:_MOST_GROUPS].tolist()
    ]
    return joined(found)


def _of_group(state: TypingState, words: TypedWords) -> Claims:
    """Return claims by words to one type at one offset."""
    number, offset = int(words.code[0]), int(words.offset[0])
    holders = [each for each, place in state.embedded.holders(number) if place == offset]
    # (In C such a number is a member, as a rule, of what the struct is a part of.)
    if state.book.info(number).language != "c++" or any(not is_value(state.book, each) for each in holders):
        return joined([])
    words = words.at(np.argsort(words.target, kind="stable"))
    size, room = state.book.info(number).size, state.room[words.target]
    count = counted_beside(state, words, int(room.max()) // size, size, offset)
    start = state.held.blocks.start[words.target]
    for width in _WIDTHS:
        for place in range(0, min(offset, _MOST_BYTES), width):
            value = read_integers(state, start + np.uint64(place), width)
            sound = (value > 0) & (value * size <= room - offset)
            sound &= least_room(offset + np.where(sound, value, 0) * size, state.layouts.overhead) == room
            count = np.where((count == 0) & sound, value, count)
    words, count = words.at(count >= _FEWEST), count[count >= _FEWEST]
    if not len(words):
        return joined([])
    good = evidence(state, number, words.target, offset, True)[1] == 0
    words = words.at(good)
    found = claims(
        *(words.target, number, How.INSIDE),
        count=count[good].astype(np.int32),
        part=offset,
        parent=words.parent,
        parent_place=words.place,
    )
    found.confidence[:] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    return found
