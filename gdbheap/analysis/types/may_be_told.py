"""Which blocks could be told by what they point to at all: most of a large heap without types could not, and need not
be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, counted, distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.int64]


def may_be_told(state: TypingState, growing: Sequence[int], blocks: NDArray[np.intp]) -> Mask:
    """Return which of the blocks have just the room of a struct, of one of the `growing` ones (they end with a
    flexible array) with some elements, or a pointer to what has a type: they may be arrays of such."""
    rooms, _ = counted(state.room[blocks])
    kinds, sizes = state.book.kinds_and_sizes()
    structs = sizes[(kinds == TypeKind.STRUCT) & (sizes > 0)]
    good = are_among(rooms, distinct(least_room(structs, state.layouts.overhead)))
    for number in growing:
        good |= may_grow_to(state, number, rooms)
    leads_to_typed = np.zeros(len(state), np.bool_)
    leads_to_typed[state.graph.source[(state.type >= 0)[state.graph.target]]] = True
    found: Mask = are_among(state.room[blocks], rooms[good]) | leads_to_typed[blocks]
    return found


def may_grow_to(state: TypingState, number: int, rooms: Numbers) -> Mask:
    """Return for which rooms some elements of the struct's flexible array, one at least, take just so much."""
    layout, overhead = state.layouts.of(number), state.layouts.overhead
    if layout.flexible < 0 or layout.stride < state.layouts.pointer_size:
        return np.zeros(len(rooms), np.bool_)
    count = (rooms - layout.flexible) // layout.stride
    found: Mask = (count >= 1) & (least_room(layout.flexible + count * layout.stride, overhead) == rooms)
    return found
