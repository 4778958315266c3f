"""Text behind a header that says how long it is: blocks that nothing typed leads to, or only by a marked pointer, which
go with the one struct that ends with characters and has their number in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.texts import MOST_LETTERS, letters
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]

# So many blocks and structs are looked at.
_MOST_BLOCKS, _MOST_TYPES = 1 << 16, 512
# Texts of so many letters, and of so many different lengths, are no accident: then shorter ones are none, either.
_LETTERS, _LENGTHS = 4, 3


def counted_texts(state: TypingState) -> Claims:
    """Return claims of the blocks without a type that are such texts."""
    blocks = np.flatnonzero(state.type < 0)[:_MOST_BLOCKS].astype(np.int32)
    told = list(_told(state, blocks)) if len(blocks) else []
    times = np.bincount(np.concatenate([each for _, each in told] or [blocks[:0]]), minlength=len(state))
    return joined([claims(each[times[each] == 1], number, How.CONTENTS, Confidence.LIKELY) for number, each in told])


def _told(state: TypingState, blocks: Blocks) -> Iterator[tuple[int, Blocks]]:
    """Yield structs, and which of the blocks go with each."""
    kinds, sizes = state.book.kinds_and_sizes()
    structs = np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > 0) & (sizes <= state.room[blocks].max()))
    ending = [each for each in structs.tolist() if _ends_with_letters(state, each)]
    for number in ending[:_MOST_TYPES]:
        length, sound = _lengths(state, number, blocks)
        if len(distinct(length[sound & (length >= _LETTERS)])) >= _LENGTHS:
            chosen = blocks[sound]
            bad = evidence(state, number, chosen)[1] + oddities(state, number, chosen)
            yield number, chosen[bad == 0]


def _ends_with_letters(state: TypingState, number: int) -> bool:
    book = state.book
    last = book.info(number).members[-1:]
    kind = book.stripped(last[0].type) if last else -1
    if kind < 0 or book.info(kind).kind is not TypeKind.ARRAY or book.info(kind).count > 1:
        return False
    layout = state.layouts.of(number)
    return layout.flexible > 0 and layout.stride == 1


def _lengths(state: TypingState, number: int, blocks: Blocks) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return how many letters of text each block has where the struct's array is, as far as is looked, and whether a
    number in front says that it is so many and malloc gives just the room for that."""
    layout, size = state.layouts.of(number), state.book.info(number).size
    room, start = state.room[blocks], state.held.blocks.start[blocks]
    large = np.flatnonzero(room > layout.flexible)
    length, sound = np.zeros(len(blocks), np.int64), np.zeros(len(blocks), np.bool_)
    length[large] = letters(state, blocks[large], layout.flexible)
    here = np.flatnonzero(length > 0)
    for offset, width in integers_of(state, number):
        count = read_integers(state, start[here] + np.uint64(offset), width)
        told = np.where(length[here] < MOST_LETTERS, count == length[here], count >= MOST_LETTERS)
        count = np.where(told, count, 0)
        exact = [
            least_room(first + count, state.layouts.overhead) == room[here] for first in _firsts(layout.flexible, size)
        ]
        sound[here] |= told & np.any(exact, axis=0)
    return length, sound


def _firsts(flexible: int, size: int) -> tuple[int, ...]:
    """Return how much programs ask for beside the letters: up to the array or all of the struct, with a zero or not."""
    return flexible, flexible + 1, size, size + 1
