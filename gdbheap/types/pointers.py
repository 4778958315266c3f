"""Pointers among the members of a type: where they lie, and to what type they point."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.types.catalogue import NONE, Catalogue, MemberKind, TypeKind
from gdbheap.types.type_names import size_of, stripped

_DEEPEST = 16
_MOST = 1 << 12


def pointers_of(catalogue: Catalogue, number: int) -> dict[int, int]:
    """Return {offset: the type pointed to} of the pointers in an object of this type that are pointers for certain (in
    no union); at most a few thousand."""
    found: dict[int, int] = {}
    for offset, target in _pointers(catalogue, number, 0, 0):
        found[offset] = target
        if len(found) == _MOST:
            break
    return found


def _pointers(catalogue: Catalogue, number: int, offset: int, depth: int) -> Iterator[tuple[int, int]]:
    number = stripped(catalogue, number)
    if number == NONE or depth > _DEEPEST:
        return
    info = catalogue.types[number]
    if info.kind is TypeKind.POINTER:
        yield offset, stripped(catalogue, info.target)
    elif info.kind is TypeKind.ARRAY:
        size = size_of(catalogue, info.target)
        for index in range(min(max(info.count, 0), _MOST) if size else 0):
            yield from _pointers(catalogue, info.target, offset + index * size, depth + 1)
    elif info.kind is TypeKind.STRUCT:
        for member in info.members:
            if member.kind in (MemberKind.FIELD, MemberKind.BASE):
                yield from _pointers(catalogue, member.type, offset + member.offset, depth + 1)


def begins_with(catalogue: Catalogue, number: int, wanted: int) -> bool:
    """Whether an object of a type begins with one of the `wanted` type: as its first member, or base class."""
    for _ in range(_DEEPEST):
        number = stripped(catalogue, number)
        if number == NONE:
            return False
        info = catalogue.types[number]
        if number == wanted or (info.name and info.name == catalogue.types[wanted].name):
            return True
        if info.kind is TypeKind.ARRAY:
            number = info.target
        elif info.kind is TypeKind.STRUCT:
            number = next((each.type for each in info.members if each.offset == 0 and _is_whole(each.kind)), NONE)
        else:
            return False
    return False


def _is_whole(kind: MemberKind) -> bool:
    return kind in (MemberKind.FIELD, MemberKind.BASE)
