"""Structs that begin with the members of another without having it as one: what C's macros spell in each
(PyObject_HEAD, CommonHeader)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from gdbheap.types.catalogue import NONE, Member, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook

# Fewer members are the same by accident.
_FEWEST = 2
# So many structs that begin with the same two members are held against each other.
_MOST_ALIKE = 256

Key = tuple[str, int, int]


def repeated_headers(book: TypeBook) -> Iterator[tuple[int, int]]:
    """Yield (header, struct) for each struct whose first members are all that the header has: the same names, places
    and types, a pointer among them."""
    alike: dict[tuple[Key, ...], list[int]] = defaultdict(list)
    for number in range(len(book)):
        info = book.info(number)
        if info.kind is TypeKind.STRUCT and len(info.members) >= _FEWEST and "<" not in info.name:
            alike[_keys(book, info.members[:_FEWEST])].append(number)
    for structs in alike.values():
        if len(structs) > 1:
            yield from _among(book, structs[:_MOST_ALIKE])


def _among(book: TypeBook, structs: list[int]) -> Iterator[tuple[int, int]]:
    for header in structs:
        members = book.info(header).members
        if not any(_is_pointer(book, each) for each in members):
            continue
        for struct in structs:
            more = book.info(struct).members
            if len(more) > len(members) and _keys(book, more[: len(members)]) == _keys(book, members):
                yield header, struct


def _keys(book: TypeBook, members: tuple[Member, ...]) -> tuple[Key, ...]:
    # (What is no plain member is like none.)
    return tuple(
        (each.name if each.kind is MemberKind.FIELD else f"{id(each)}", each.offset, book.stripped(each.type))
        for each in members
    )


def _is_pointer(book: TypeBook, member: Member) -> bool:
    number = book.stripped(member.type)
    return number != NONE and book.info(number).kind is TypeKind.POINTER
