"""Unions in blocks whose type is still asked for, taken for the pointer that goes with what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Mask = NDArray[np.bool_]


def codes_as_used(
    state: TypingState, numbers: Numbers, codes: NDArray[np.int32], place: Numbers, edges: Numbers
) -> NDArray[np.int32]:
    """Return the codes with unions taken for the pointer that goes with what each edge leads to."""
    codes = codes.copy()
    target = state.graph.target[edges]
    for row in np.flatnonzero((codes == MIXED).any(axis=1)).tolist():
        for word in distinct(place[codes[row] == MIXED]).tolist():
            here = np.flatnonzero((codes[row] == MIXED) & (place == word))
            kinds = state.layouts.pointers_in_union(int(numbers[row]), word)
            for by_size in (False, True):
                for kind in kinds:
                    left = here[codes[row, here] == MIXED]
                    codes[row, left[_goes_to(state, kind, target[left], by_size)]] = kind
    return codes


def _goes_to(state: TypingState, kind: int, target: NDArray[np.int32], by_size: bool) -> Mask:
    """Return which of the blocks a pointer to this type leads to, by what they are known to be, or `by_size` where
    that is not known."""
    info = state.book.info(kind)
    if by_size:
        is_struct = info.kind in (TypeKind.STRUCT, TypeKind.UNION)
        size = np.full(len(target), info.size if is_struct else 0)
        as_large: Mask = is_struct & (state.type[target] < 0)
        return as_large & fits(state.room[target], size, state.layouts.overhead)
    if info.kind is not TypeKind.CHARACTER:
        same: Mask = state.type[target] == kind
        return same
    text: Mask = is_text(state, target) & (state.type[target] < 0)
    return text
