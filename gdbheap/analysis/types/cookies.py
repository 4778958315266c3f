"""Arrays of objects with destructors: new[] puts their number in front of them, and gives the pointer behind it."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind


def counted_arrays(state: TypingState, words: TypedWords) -> Claims:
    """Return claims of the blocks that begin with a number, where a pointer leads behind that and the room is just
    that of so many objects."""
    layouts, size = state.layouts, state.layouts.pointer_size
    local = layouts.local(np.maximum(words.code, -1).astype(np.int32))
    is_struct = (words.code >= 0) & ((layouts.kind[local] == TypeKind.STRUCT) | (layouts.kind[local] == TypeKind.UNION))
    behind = (words.offset == size) | (words.offset == 2 * size)
    near = np.flatnonzero(is_struct & behind & (layouts.size[local] > 0))
    # (In C no number stands there: what looks like one is a member of what the struct is a part of.)
    near = near[[_has_cookies(state, int(words.code[each])) for each in near.tolist()]] if len(near) else near
    near = near[np.argsort(words.target[near], kind="stable")]
    place = state.held.blocks.start[words.target[near]] + (words.offset[near] - size).astype(np.uint64)
    told = gather_words(state.process.memory, size, place)[:, 0]
    count = np.minimum(told, np.uint64(1 << 31)).astype(np.int64)
    length = words.offset[near].astype(np.int64) + count * layouts.size[local[near]]
    good = (count > 0) & fits(state.room[words.target[near]], length, state.layouts.overhead)
    chosen = words.at(near[good])
    found = claims(
        chosen.target,
        chosen.code,
        How.ARRAY,
        count=count[good].astype(np.int32),
        part=chosen.offset,
        parent=chosen.parent,
        parent_place=chosen.place,
    )
    found.confidence[:] = chosen.trust
    # (Nobody has a pointer to what new[] writes: that is a header of the program's own, of more than one word.)
    front = words.target[(words.offset == 0) & (words.code >= 0)]
    found.how[np.isin(found.block, front)] = How.INSIDE
    return found


def _has_cookies(state: TypingState, number: int) -> bool:
    return state.book.info(number).language == "c++"
