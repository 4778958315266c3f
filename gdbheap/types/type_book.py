"""A catalogue that can be added to: what rules make up (a container's node, say) has a number like any other type."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, Catalogue, TypeInfo, TypeKind
from gdbheap.types.columns import ColumnTypes
from gdbheap.types.type_names import size_of, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray


class TypeBook:
    """A catalogue's types, and some more."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._types = _Extended(catalogue.types)
        self.catalogue = replace(catalogue, types=self._types)
        self._known: dict[int, int] = {}
        self.made: dict[str, int] = {}
        """The numbers of types that rules have added, by names of their own."""
        self._pointers: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self._types)

    def info(self, number: int) -> TypeInfo:
        """Return a type (not NONE)."""
        return self._types[number]

    def add(self, info: TypeInfo) -> int:
        """Return the number of a new type."""
        self._types.more.append(info)
        return len(self._types) - 1

    @functools.cached_property
    def pointer_size(self) -> int:
        """The size of a pointer, as the types have it; 8 where none is one."""
        return next((each.size for each in self._types if each.kind is TypeKind.POINTER and each.size), 8)

    def change(self, number: int, info: TypeInfo) -> None:
        """Have a type told otherwise than the catalogue does."""
        self._types.changed[number] = info

    def stripped(self, number: int) -> int:
        """Return the type behind typedefs, NONE for none."""
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = stripped(self.catalogue, number)
        return known

    def size(self, number: int) -> int:
        """Return the size of a type in bytes, 0 unknown."""
        return size_of(self.catalogue, number)

    def pointer_to(self, number: int, size: int) -> int:
        """Return the type of pointers to this type: one of the catalogue's, or a new one."""
        if self._pointers is None:
            self._pointers = {}
            kinds, targets = self.kinds_and_targets()
            for pointer in np.flatnonzero(kinds == TypeKind.POINTER).tolist():
                self._pointers.setdefault(self.stripped(int(targets[pointer])), pointer)
        if number not in self._pointers:
            self._pointers[number] = self.add(TypeInfo("", TypeKind.POINTER, size, number))
        return self._pointers[number]

    def pointed_to(self) -> frozenset[int]:
        """Return the types that some pointer type of the catalogue leads to: what has none is never alone in a
        block."""
        kinds, targets = self.kinds_and_targets()
        pointers = np.flatnonzero(kinds == TypeKind.POINTER)
        return frozenset(self.stripped(each) for each in set(targets[pointers].tolist()) if each != NONE)

    def kinds_and_targets(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the kind and the target of each type of the catalogue."""
        first = self._types.first
        if isinstance(first, ColumnTypes):
            return first.columns.kind.astype(np.int64), first.columns.target.astype(np.int64)
        columns = np.array([(each.kind, each.target) for each in first], np.int64).reshape(-1, 2)
        return columns[:, 0], columns[:, 1]

    def kinds_and_sizes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the kind and the size in bytes of each type of the catalogue (what was added is left out)."""
        first = self._types.first
        if isinstance(first, ColumnTypes):
            return first.columns.kind.astype(np.int64), first.columns.size
        columns = np.array([(each.kind, each.size) for each in first], np.int64).reshape(-1, 2)
        return columns[:, 0], columns[:, 1]

    def named(self, name: str) -> int:
        """Return the first defined type of this name, NONE for none."""
        for number in self.catalogue.by_name.get(name, ()):
            behind = self.stripped(number)
            if behind != NONE and self.info(behind).size:
                return behind
        return NONE


class _Extended(Sequence[TypeInfo]):
    """A sequence with more behind it."""

    def __init__(self, first: Sequence[TypeInfo]) -> None:
        self.first = first
        self._count = len(first)
        self.more: list[TypeInfo] = []
        self.changed: dict[int, TypeInfo] = {}

    def __len__(self) -> int:
        return self._count + len(self.more)

    @overload
    def __getitem__(self, index: int) -> TypeInfo: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TypeInfo]: ...

    def __getitem__(self, index: int | slice) -> TypeInfo | Sequence[TypeInfo]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if index in self.changed:
            return self.changed[index]
        return self.first[index] if index < self._count else self.more[index - self._count]
