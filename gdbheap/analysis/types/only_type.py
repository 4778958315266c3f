"""The only type that goes with blocks alike: no other has their size and such pointers where they have theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.types.evidence import evidence, is_kin, oddities
from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many types are held against the bytes.
_MOST_TRIED = 8
# One pointer that leads to just what it should is enough in so many blocks alike.
_SEVERAL = 3
# Fewer letters may be a small number.
_LETTERS = 4
# So many blocks that void * members lead to are no accident.
_MANY = 8


@dataclass(frozen=True)
class Alike:
    """`count` blocks that look alike; `sample`, some of them, and the `edges` of these; which of the sample hold
    nothing but pointers; whether they go with a type, as goes_with() has it."""

    count: int
    sample: NDArray[np.int32]
    edges: Numbers
    all_pointers: Callable[[], NDArray[np.bool_]]
    goes_with: Callable[[int], bool]


def only_type(state: TypingState, alike: Alike, numbers: Numbers, codes: NDArray[np.int32]) -> list[int]:
    """Return the row of the type, none where there are several, or too little says so: many blocks with one pointer
    each that leads to just what it should, or with three that lead to their likes, or to text, or a few with two. (What
    has nothing but pointers may be an array of some, unless one behind the first leads to another type.) A row of
    `codes` is what a type has where each of the edges lies."""
    fine, agrees = _going_with(state, alike.edges, codes)
    rows = np.flatnonzero(fine)
    if not 0 < len(rows) <= _MOST_TRIED:
        return []
    # (To hold the bytes against a type costs more than to look at the pointers.)
    enough = [row for row in rows.tolist() if _is_enough(state, alike, int(numbers[row]), codes[row], agrees[row])]
    sound = [row for row in enough if alike.goes_with(int(numbers[row]))]
    if len(sound) != 1 or any(row not in enough and alike.goes_with(int(numbers[row])) for row in rows.tolist()):
        return []
    return sound


def _is_enough(
    state: TypingState, alike: Alike, number: int, codes: NDArray[np.int32], said: NDArray[np.bool_]
) -> bool:
    """Whether what the pointers lead to says enough for a type; `said` are those to just what it has there."""
    size = len(alike.sample)
    if alike.all_pointers().any() and np.count_nonzero(said & (state.graph.place[alike.edges] > 0)) < size:
        return False
    if np.count_nonzero(said) >= (1 if alike.count >= _SEVERAL else 2) * size:
        return True
    like = said | _to_likes(state, alike.edges, number, codes)
    return alike.count > 1 and int(np.count_nonzero(like)) >= _SEVERAL * size


def only_text(
    state: TypingState, alike: Alike, numbers: Numbers, codes: NDArray[np.int32], held: NDArray[np.bool_]
) -> list[int]:
    """Return the row of the only type that goes with all pointers of many blocks, some of which lead to text: of
    several the one that has plain char there. Many of the blocks must be `held` by void * members of typed ones."""
    if np.count_nonzero(held) < _MANY or 2 * np.count_nonzero(alike.all_pointers()) >= len(alike.sample):
        return []
    fine, agrees = _going_with(state, alike.edges, codes)
    target = state.graph.target[alike.edges]
    text = is_text(state, target, 0, _LETTERS)
    text &= (state.graph.offset[alike.edges] == 0) & (state.type[target] < 0)
    local = state.layouts.local(np.maximum(codes, -1))  # lays out what is not yet
    told = agrees | ((state.layouts.kind[local] == TypeKind.CHARACTER) & text[None, :])
    rows = np.flatnonzero(fine & told.all(axis=1))[:_MOST_TRIED]
    rows = np.array([row for row in rows.tolist() if alike.goes_with(int(numbers[row]))], np.intp)
    if len(rows) > 1:
        plain = [np.count_nonzero(codes[row] == state.book.named("char")) for row in rows.tolist()]
        rows = rows[np.array(plain) == max(plain)]
    return rows.tolist() if len(rows) == 1 and text.any() else []


def _to_likes(state: TypingState, edges: Numbers, number: int, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which edges lead to blocks as large as where they are, by pointers to the type itself, or to text."""
    target, source = state.graph.target[edges], state.graph.source[edges]
    first = (state.graph.offset[edges] == 0) & (state.type[target] < 0)
    same = (codes == number) & (state.room[target] == state.room[source])
    text = is_text(state, target, 0, _LETTERS)
    local = state.layouts.local(np.maximum(codes, -1))  # lays out what is not yet
    is_letters = state.layouts.kind[local] == TypeKind.CHARACTER
    found: NDArray[np.bool_] = first & (same | (text & is_letters))
    return found


def goes_with(state: TypingState, number: int, sample: NDArray[np.int32]) -> bool:
    """Whether hardly any of the blocks, which ascend, has anything that speaks against the type."""
    bad = evidence(state, number, sample)[1] + oddities(state, number, sample)
    return 10 * int(np.count_nonzero(bad)) <= len(sample)


def _going_with(
    state: TypingState, edges: Numbers, codes: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which types no edge speaks against, and which edges lead to just what each says."""
    target = state.graph.target[edges]
    known, room = state.type[target], state.room[target]
    offset = state.graph.offset[edges].astype(np.int64)
    local = state.layouts.local(known)  # lays out what is not yet
    length = state.layouts.size[local]
    first = (offset == 0) | ((state.count[target] > 0) & (offset % np.maximum(length, 1) == 0))
    first &= (state.part[target] == 0) & state.whole[target]
    agrees = (codes >= 0) & first[None, :]
    for number in distinct(codes[codes >= 0]).tolist():
        agrees &= (codes != number) | is_kin(state, known, number)[None, :]
    local = state.layouts.local(np.maximum(codes, -1))
    structs = np.isin(state.layouts.kind[local], (int(TypeKind.STRUCT), int(TypeKind.UNION)))
    # (What is not known yet may be right, if there is room for it.)
    unknown = (codes >= 0) & (known < 0)[None, :] & (~structs | (room[None, :] >= state.layouts.size[local]))
    fine = agrees | unknown | (codes == VOID) | (codes == MIXED)
    return fine.all(axis=1), agrees
