"""Catalogues made by hand, from a few words for each type."""

from __future__ import annotations

from gdbheap.types.catalogue import NONE, Catalogue, Member, MemberKind, TypeInfo, TypeKind


class MadeTypes:
    """Makes a catalogue, type by type; each method returns the type's number."""

    def __init__(self, pointer_size: int = 8, language: str = "c") -> None:
        self.types: list[TypeInfo] = []
        self.pointer_size = pointer_size
        self.language = language

    def add(self, info: TypeInfo) -> int:
        self.types.append(info)
        return len(self.types) - 1

    def scalar(self, name: str, size: int) -> int:
        return self.add(TypeInfo(name, TypeKind.CHARACTER if name == "char" else TypeKind.SCALAR, size))

    def pointer(self, target: int = NONE) -> int:
        return self.add(TypeInfo("", TypeKind.POINTER, self.pointer_size, target))

    def function(self) -> int:
        return self.add(TypeInfo("", TypeKind.FUNCTION, 0))

    def array(self, target: int, count: int = NONE) -> int:
        size = max(count, 0) * self.types[target].size
        return self.add(TypeInfo("", TypeKind.ARRAY, size, target, count))

    def typedef(self, name: str, target: int) -> int:
        return self.add(TypeInfo(name, TypeKind.TYPEDEF, self.types[target].size, target))

    def struct(self, name: str, size: int, *members: Member, kind: TypeKind = TypeKind.STRUCT) -> int:
        return self.add(TypeInfo(name, kind, size, members=members, language=self.language))

    def declare(self) -> int:
        """A struct to be defined later, so that its members may point to it."""
        return self.struct("", 0)

    def define(self, number: int, name: str, size: int, *members: Member, kind: TypeKind = TypeKind.STRUCT) -> int:
        self.types[number] = TypeInfo(name, kind, size, members=members, language=self.language)
        return number

    def catalogue(self) -> Catalogue:
        named: dict[str, tuple[int, ...]] = {}
        for number, info in enumerate(self.types):
            if info.name:
                named[info.name] = (*named.get(info.name, ()), number)
        return Catalogue(tuple(self.types), by_name=named)


def field(name: str, offset: int, number: int) -> Member:
    return Member(name, offset, number)


def base(offset: int, number: int) -> Member:
    return Member("", offset, number, MemberKind.BASE)
