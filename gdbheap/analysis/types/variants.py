"""Words of a std::variant: its index says which of its types it holds (libstdc++ and libc++)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords, joined_words
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, Member, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_ARMS = 255
# How the two libraries call the union, the index, and in a union its own type and the union of the others.
_UNION, _INDEX = ("_M_u", "__data"), ("_M_index", "__index")
_FIRST, _REST = ("_M_first", "__head"), ("_M_rest", "__tail")


@dataclass(frozen=True)
class Variant:
    """What a struct holds: at `union` one of the `arms` (types), told by the number of `width` bytes at `index`."""

    union: int
    index: int
    width: int
    arms: tuple[int, ...]


def variant_in(book: TypeBook, number: int) -> Variant | None:
    """Return what a struct holds that is a std::variant's own storage, None for others."""
    members = book.info(number).members
    union, index = _named(members, _UNION), _named(members, _INDEX)
    if union is None or index is None or not book.info(number).name.startswith("std::"):
        return None
    arms = _arms(book, union.type)
    width = book.size(index.type)
    return Variant(union.offset, index.offset, width, arms) if arms and 0 < width <= book.pointer_size else None


def held_by_variants(state: TypingState, words: TypedWords, offset: int, variant: Variant) -> TypedWords | None:
    """Return the words, all at the offset of such structs, as what they are by the structs' indices."""
    size, start = state.layouts.pointer_size, words.place - np.uint64(offset)
    index = _numbers(state, start + np.uint64(variant.index), variant.width)
    found = []
    for arm, number in enumerate(variant.arms):
        layout, word = state.layouts.of(number), (offset - variant.union) // size
        code = int(layout.codes[word]) if 0 <= word < len(layout.codes) else MIXED
        here = words.at(index == arm)
        if code >= 0 and len(here):
            codes = np.full(len(here), code, np.int32)
            found.append(replace(here, code=codes, many=np.full(len(here), layout.many[word])))
    return joined_words(found) if found else None


def _numbers(state: TypingState, address: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    size = np.uint64(state.layouts.pointer_size)
    aligned = address - address % size
    places, which = np.unique(aligned, return_inverse=True)
    values: NDArray[np.uint64] = gather_words(state.process.memory, int(size), places)[:, 0][which.reshape(-1)]
    values = values >> (address % size * np.uint64(8))
    return values & np.uint64((1 << (8 * width)) - 1) if width < size else values


def _named(members: tuple[Member, ...], names: tuple[str, ...]) -> Member | None:
    return next((each for each in members if each.name in names), None)


def _arms(book: TypeBook, number: int) -> tuple[int, ...]:
    found: list[int] = []
    for _ in range(_MOST_ARMS):
        number = book.stripped(number)
        if number == NONE or book.info(number).kind is not TypeKind.UNION:
            break
        first, rest = _named(book.info(number).members, _FIRST), _named(book.info(number).members, _REST)
        if first is None:
            break
        found.append(book.stripped(first.type))
        number = rest.type if rest is not None else NONE
    return tuple(found)
