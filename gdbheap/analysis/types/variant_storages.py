"""Where std::variants keep what they hold, and what that may be (libstdc++ and libc++)."""

from __future__ import annotations

from gdbheap.lazy import dataclass, np
from gdbheap.types.catalogue import NONE, Member, TypeKind
from gdbheap.types.type_book import TypeBook

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


def variants_of(book: TypeBook) -> dict[int, list[int]]:
    """Return for each type that a std::variant's storage may hold, from its beginning on, these storages."""
    found: dict[int, list[int]] = {}
    kinds, _ = book.kinds_and_sizes()
    for number in np.flatnonzero(kinds == TypeKind.STRUCT).tolist():
        variant = variant_in(book, number)
        for arm in () if variant is None or variant.union else variant.arms:
            for each in {arm, *held_in(book, arm)}:
                found.setdefault(each, []).append(number)
    return found


def held_in(book: TypeBook, arm: int) -> tuple[int, ...]:
    """Return the type that an arm of a storage's union is for: what has a destructor lies in raw memory, of a struct
    with its type as argument. (None: it is that type itself.)"""
    return tuple(each for each in map(book.stripped, book.info(arm).arguments[:1]) if each != NONE)


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
