"""The words of typed variables that point into blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords, slots_at
from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.typed_root import RootKind, TypedRoot

if TYPE_CHECKING:
    from numpy.typing import NDArray


def covering_roots(state: TypingState, roots: Sequence[TypedRoot]) -> NDArray[np.int64]:
    """Return for each word of PointerGraph.from_roots the index of the variable that it lies in, -1 for none. Of
    variables that lie over each other the one that begins last counts."""
    place = state.held.from_roots.place
    if not roots:
        return np.full(len(place), -1, np.int64)
    address = np.array([root.address for root in roots], np.uint64)
    size = np.array([state.book.size(root.type) for root in roots], np.uint64)
    order = np.argsort(address, kind="stable")
    nearest = np.searchsorted(address[order], place, side="right") - 1
    found = order[np.maximum(nearest, 0)]
    inside = (nearest >= 0) & (place - address[found] < size[found])
    return np.where(inside, found, -1)


def root_words(state: TypingState, roots: Sequence[TypedRoot], covering: NDArray[np.int64]) -> TypedWords:
    """Return the words of these variables; `covering` as covering_roots() has it, for the same roots."""
    pointers = state.held.from_roots
    words = np.flatnonzero(covering >= 0)
    which = covering[words]
    element = np.array([_element(state, root.type) for root in roots], np.int32).reshape(-1, 2)
    address = np.array([root.address for root in roots], np.uint64)
    kind = np.array([root.kind for root in roots], np.uint8)
    typed = element[which, 0] != NONE
    words, which = words[typed], which[typed]
    inside = (pointers.place[words] - address[which]).astype(np.int64)
    everything = np.ones(len(words), np.bool_)
    slot, code = slots_at(state, element[which, 0], inside, element[which, 1] > 0, everything)
    many = np.zeros(len(words), np.bool_)
    many[slot >= 0] = state.layouts.many[slot[slot >= 0]]
    trust = np.where(kind[which] == RootKind.LOCAL, int(Confidence.LIKELY), int(Confidence.CERTAIN)).astype(np.uint8)
    parent = np.full(len(words), -1, np.int32)
    return TypedWords(
        pointers.target[words], pointers.offset[words], code, slot, many, parent, pointers.place[words], trust
    )


def register_words(state: TypingState, roots: Sequence[TypedRoot]) -> TypedWords:
    """Return what variables in registers say of the blocks that they point to."""
    rows = []
    for root in roots:
        number = state.book.stripped(root.type)
        target = state.held.blocks.find(root.word) if root.word is not None else None
        if target is None or number == NONE or root.word is None:
            continue
        codes = state.layouts.of(number).codes
        if len(codes):
            offset = min(root.word - int(state.held.blocks.start[target]), (1 << 32) - 1)
            rows.append((target, offset, int(codes[0])))
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    count = len(rows)
    return TypedWords(
        columns[0].astype(np.int32),
        columns[1].astype(np.uint32),
        columns[2].astype(np.int32),
        np.full(count, -1, np.int64),
        np.zeros(count, np.bool_),
        np.full(count, -1, np.int32),
        np.zeros(count, np.uint64),
        np.full(count, int(Confidence.LIKELY), np.uint8),
    )


def _element(state: TypingState, number: int) -> tuple[int, int]:
    """Return the type of a variable, or of its elements and 1 where it is an array."""
    number, is_array = state.book.stripped(number), 0
    for _ in range(8):
        if number == NONE or state.book.info(number).kind is not TypeKind.ARRAY:
            break
        number, is_array = state.book.stripped(state.book.info(number).target), 1
    return number, is_array
