"""C++ objects that lie behind something else in a block, up to its end: what was made by the same call as what is in
front of it (operands before what uses them, a header of an operator new of the program's own)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.behind import Behind, nothing_behind
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.virtual_bases import complete
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray


def elsewhere(types: tuple[int, ...], block: NDArray[np.int64], start: NDArray[np.int64]) -> Behind:
    """Return the objects of a class that do not begin where their blocks do."""
    chosen = start > 0
    number = types[0] if len(types) == 1 else NONE
    count = int(np.count_nonzero(chosen))
    return Behind(block[chosen].astype(np.int32), start[chosen], np.full(count, number, np.int32))


def behind_others(state: TypingState, found: list[Behind], in_front: NDArray[np.bool_]) -> Behind:
    """Return of these the blocks that have one object alone, to their very end, none at their start (`in_front`, by
    block), and which are nothing that has it as its last member."""
    every = [nothing_behind(), *found]
    block = np.concatenate([each.block for each in every])
    start = np.concatenate([each.start for each in every])
    number = np.concatenate([each.type for each in every])
    order = np.lexsort((start, block))
    block, start, number = block[order], start[order], number[order]
    again = block[1:] == block[:-1]
    several = block[1:][again & (start[1:] != start[:-1])]
    good = ~np.isin(block, several) & (number != NONE) & ~in_front[block]
    good[1:] &= ~again
    block, start, number = block[good], start[good], number[good]
    for each in distinct(number).tolist():
        here = np.flatnonzero(number == each)
        length = start[here] + state.book.info(each).size
        wrong = ~fits(state.room[block[here]], length, state.layouts.overhead)
        wrong |= _has_holder(state, each, block[here], start[here])
        number[here[wrong]] = NONE
        sound = here[~wrong]
        if len(sound):
            address = int(state.held.blocks.start[block[sound[0]]]) + int(start[sound[0]])
            number[sound] = complete(state, each, address)
    good = number != NONE
    return Behind(block[good], start[good], number[good])


def _has_holder(
    state: TypingState, number: int, block: NDArray[np.int32], start: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which of the blocks have just the room for a struct that has the class there."""
    found = np.zeros(len(block), np.bool_)
    room = state.room[block]
    for holder, place in state.embedded.holders(number):
        size = state.book.info(holder).size
        found |= (start == place) & fits(room, size, state.layouts.overhead)
    return found


def classes_behind(state: TypingState) -> Iterator[Claims]:
    """Yield claims of the blocks that nothing else has named."""
    found = state.behind
    fresh = np.flatnonzero(state.type[found.block] < 0)
    yield claims(
        found.block[fresh],
        found.type[fresh],
        How.INSIDE,
        Confidence.LIKELY,
        part=found.start[fresh].astype(np.uint32),
        whole=False,
    )
