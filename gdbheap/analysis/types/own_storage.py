"""Objects that have the first elements of a vector in raw bytes of their own: a typed pointer of theirs leads to an
array of characters in the same object (small vectors)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.slots import BYTES, MIXED
from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords, joined_words, words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, firsts_of
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many kinds of such pointers are looked at, and so many elements of each.
_MOST_GROUPS, _MOST_ELEMENTS = 1024, 64
# So deep lie structs in structs; and so many numbers beside a pointer may be how many there are, and room for how many.
_DEEPEST, _NUMBERS = 16, 2


class OwnStorage:
    """Finds such elements. It remembers which blocks it has looked at."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        graph = state.graph
        self._edges = np.flatnonzero((graph.source == graph.target) & (graph.place < graph.offset))

    def find(self) -> TypedWords | None:
        """Return a word for each of the elements of blocks that have a type since; its code is the elements' type. None
        where there are none."""
        state = self._state
        known = state.type[state.graph.source[self._edges]] >= 0
        edges, self._edges = self._edges[known], self._edges[~known]
        if not len(edges):
            return None
        words = words_of(state, edges)
        words = words.at((words.code >= 0) & (words.slot != NO_SLOT))
        words = words.at(np.array([_holds_pointers(state, each) for each in words.code.tolist()], np.bool_))
        which = codes_of(words.slot, words.offset, state.type[words.target])
        first = firsts_of(which)
        found: list[TypedWords] = []
        for group in np.argsort(-np.bincount(which), kind="stable")[:_MOST_GROUPS].tolist():
            here = words.at(which == group)
            found += _elements(state, here, _room(state, words.at(first[group : group + 1])))
        return joined_words(found) if found else None


def _holds_pointers(state: TypingState, number: int) -> bool:
    kind, codes = state.book.info(number).kind, state.layouts.of(number).codes
    return kind in (TypeKind.STRUCT, TypeKind.POINTER) and bool(((codes >= 0) | (codes == MIXED)).any())


def _room(state: TypingState, word: TypedWords) -> int:
    """Return how many raw bytes of the object the word leads to the start of; 0 where it has something else there."""
    block = int(word.target[0])
    number, inside = int(state.type[block]), int(word.offset[0]) - int(state.part[block])
    if state.count[block]:
        inside %= max(state.book.info(number).size, 1)
    for _ in range(_DEEPEST):
        number = state.book.stripped(number)
        info = state.book.info(number) if number != NONE else None
        if info is None or inside < 0:
            return 0
        if info.kind is TypeKind.ARRAY:
            if inside == 0 and (state.layouts.of(number).codes == BYTES).all():
                return info.size
            size = state.book.size(info.target)
            number, inside = info.target, inside % size if size else 0
            continue
        # (An empty base class lies where something else does.)
        inner = max(
            (
                each
                for each in info.members
                if each.kind in (MemberKind.FIELD, MemberKind.BASE)
                and each.offset <= inside < each.offset + state.book.size(each.type)
            ),
            key=lambda each: state.book.size(each.type),
            default=None,
        )
        if inner is None:
            return 0
        number, inside = inner.type, inside - inner.offset
    return 0


def _elements(state: TypingState, words: TypedWords, room: int) -> list[TypedWords]:
    """Return words, all alike, that lead to raw bytes, as ones to the elements there are by the numbers beside."""
    size = state.book.size(int(words.code[0]))
    most = room // size if size else 0
    if not most:
        return []
    used = _used(state, words, most)
    return [
        replace(here, offset=(here.offset + np.uint32(row * size)).astype(np.uint32))
        for row in range(min(most, _MOST_ELEMENTS))
        if len(here := words.at(used > row))
    ]


def _used(state: TypingState, words: TypedWords, most: int) -> Numbers:
    """Return how many elements each has of `most`: by the smaller one of the struct's two numbers, if it is one."""
    owner, word = state.layouts.owner(int(words.slot[0]))
    struct, offset = tagged_part(state.book, owner, word * state.layouts.pointer_size)
    numbers = integers_of(state, struct)
    used = np.full(len(words), most, np.int64)
    for place, width in numbers if len(numbers) <= _NUMBERS else ():
        value = read_integers(state, words.place - np.uint64(offset) + np.uint64(place), width)
        used = np.where(value <= most, np.minimum(used, value), used)
    return used
