"""Local variables' types found in a catalogue: a debugger tells them in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.lazy import regex
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.derived import DerivedTypes
from gdbheap.types.local_variable import POINTER_TO, LocalVariable, ToldType
from gdbheap.types.type_names import stripped
from gdbheap.types.typed_root import RootKind, TypedRoot

# What debuggers and compilers write differently in the arguments of templates.
_NOISE = regex(r"\s+|\b(?:const|volatile|class|struct|union|enum)\b|(?<=\d)[uUlL]+\b")
# gdb from 11 on writes C's types as C++'s.
_COMPILERS = {
    "long": "long int",
    "unsigned long": "long unsigned int",
    "long long": "long long int",
    "unsigned long long": "long long unsigned int",
    "short": "short int",
    "unsigned short": "short unsigned int",
}
_STRUCTS = (TypeKind.STRUCT, TypeKind.UNION)


class ToldTypes:
    """Finds in a catalogue the types that a debugger tells of."""

    def __init__(self, catalogue: Catalogue, derived: DerivedTypes) -> None:
        self._catalogue = catalogue
        self._derived = derived
        self._found: dict[ToldType, int | None] = {}
        self._plain: dict[str, list[int]] | None = None

    def number(self, told: ToldType) -> int | None:
        """Return the type's number; None where the catalogue has none of this make, or several that differ."""
        if told not in self._found:
            self._found[told] = self._find(told)
        return self._found[told]

    def _find(self, told: ToldType) -> int | None:
        number = NONE if told.kind is TypeKind.OPAQUE else self._base(told)
        if number is None:
            return None
        for step in reversed(told.steps):
            is_pointer = step == POINTER_TO
            number = self._derived.pointer_to(number) if is_pointer else self._derived.array_of(number, step)
        return number

    def _base(self, told: ToldType) -> int | None:
        """Return the struct or plain type."""
        named = [each for each in self._named(told.name) if self._fits(each, told)]
        numbers = list(dict.fromkeys(named))
        if len(numbers) > 1:
            numbers = [each for each in numbers if self._catalogue.types[each].name == told.name] or numbers
        return numbers[0] if len(numbers) == 1 else None

    def _named(self, name: str) -> Iterator[int]:
        """Yield the types of a name, behind typedefs; for "" those without one."""
        if not name:
            yield from self._derived.unnamed_structs()
            return
        catalogue = self._catalogue
        numbers: Iterable[int] = catalogue.by_name.get(name) or catalogue.by_name.get(_COMPILERS.get(name, ""), ())
        if not numbers and "<" in name:
            numbers = self._templates().get(_NOISE.sub("", name), ())
            spelled = name.count("const")
            alike = [each for each in numbers if catalogue.types[each].name.count("const") == spelled]
            numbers = alike or numbers
        for each in numbers:
            behind = stripped(catalogue, each)
            if behind != NONE:
                yield behind

    def _templates(self) -> dict[str, list[int]]:
        """Return the types with arguments by their names without what may be written differently."""
        if self._plain is None:
            self._plain = {}
            for name, numbers in self._catalogue.by_name.items():
                if "<" in name:
                    self._plain.setdefault(_NOISE.sub("", name), []).extend(numbers)
        return self._plain

    def _fits(self, number: int, told: ToldType) -> bool:
        info = self._catalogue.types[number]
        if told.kind not in _STRUCTS:
            return info.size == told.size and info.kind in (TypeKind.SCALAR, TypeKind.CHARACTER)
        if info.kind is TypeKind.OPAQUE:
            return not told.members
        if info.kind not in _STRUCTS:
            return False
        if not told.members:
            return bool(told.name) and (info.size == told.size or told.size <= 1)
        own = {(member.name, member.offset) for member in info.members}
        return info.size == told.size and own.issuperset(told.members)


def local_roots(types: ToldTypes, variables: Iterable[LocalVariable]) -> Iterator[TypedRoot]:
    """Yield the variables whose types are in the catalogue."""
    for each in variables:
        number = types.number(each.type)
        if number is not None:
            place = (each.address, RootKind.LOCAL, each.word)
            yield TypedRoot(each.name, number, *place, each.function, each.thread)
