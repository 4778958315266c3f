"""The only type that goes with blocks alike: no other has their size and such pointers where they have theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many types are held against the bytes.
_MOST_TRIED = 8
# One pointer that leads to just what it should is enough in so many blocks alike.
_SEVERAL = 3


@dataclass(frozen=True)
class Alike:
    """`count` blocks that look alike; `sample`, some of them, and the `edges` of these."""

    count: int
    sample: NDArray[np.int32]
    edges: Numbers


def only_type(state: TypingState, alike: Alike, numbers: Numbers, codes: NDArray[np.int32]) -> list[int]:
    """Return the row of the type, none where there are several, or too little says so: many blocks with one pointer
    each that leads to just what it should, or a few with two. (What begins with its only pointer may be an array of
    such.) A row of `codes` is what a type has where each of the edges lies."""
    fine, agrees = _going_with(state, alike.edges, codes)
    rows = np.flatnonzero(fine)
    if not 0 < len(rows) <= _MOST_TRIED:
        return []
    sound = [row for row in rows.tolist() if goes_with(state, int(numbers[row]), alike.sample)]
    if len(sound) != 1:
        return []
    said = agrees[sound[0]]
    size = len(alike.sample)
    behind = np.count_nonzero(said & (state.graph.place[alike.edges] > 0))
    return sound if behind >= size and (alike.count >= _SEVERAL or np.count_nonzero(said) >= 2 * size) else []


def goes_with(state: TypingState, number: int, sample: NDArray[np.int32]) -> bool:
    """Whether hardly any of the blocks, which ascend, has anything that speaks against the type."""
    bad = evidence(state, number, sample)[1]
    return 10 * int(np.count_nonzero(bad)) <= len(sample)


def _going_with(
    state: TypingState, edges: Numbers, codes: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which types no edge speaks against, and which edges lead to just what each says."""
    target = state.graph.target[edges]
    known, room = state.type[target], state.room[target]
    first = (state.graph.offset[edges] == 0) & (state.part[target] == 0)
    first &= state.whole[target] & (state.count[target] == 0)
    agrees = (codes == known[None, :]) & (codes >= 0) & first[None, :]
    local = state.layouts.local(np.maximum(codes, -1))
    structs = np.isin(state.layouts.kind[local], (int(TypeKind.STRUCT), int(TypeKind.UNION)))
    # (What is not known yet may be right, if there is room for it.)
    unknown = (codes >= 0) & (known < 0)[None, :] & (~structs | (room[None, :] >= state.layouts.size[local]))
    fine = agrees | unknown | (codes == VOID) | (codes == MIXED)
    return fine.all(axis=1), agrees
