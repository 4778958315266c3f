"""Pointers to types and arrays of them: found among a catalogue's columns, or added to them."""

from __future__ import annotations

from dataclasses import replace

from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.columns import TypeColumns

_MOST_SIZE = 1 << 31


class DerivedTypes:
    """The pointers and arrays of these types; what is not there is made up and has a number behind theirs."""

    def __init__(self, types: TypeColumns, pointer_size: int) -> None:
        self._types = types
        self._pointer_size = pointer_size
        self._made: list[tuple[TypeKind, int, int, int]] = []
        rows = np.flatnonzero((types.kind == TypeKind.POINTER) | (types.kind == TypeKind.ARRAY))
        columns = (types.kind[rows], types.target[rows], types.count[rows])
        keys = zip(*(each.tolist() for each in columns))
        self._known: dict[tuple[int, ...], int] = dict(zip(keys, rows.tolist()))

    def pointer_to(self, target: int) -> int:
        """Return the number of the pointer to a type."""
        return self._number(TypeKind.POINTER, target, NONE, self._pointer_size)

    def array_of(self, target: int, count: int) -> int:
        """Return the number of an array of so many of a type."""
        size = self._size(target) * count
        return self._number(TypeKind.ARRAY, target, count, size if size < _MOST_SIZE else 0)

    def unnamed_structs(self) -> list[int]:
        """Return the numbers of the structs without a name, and of the closures that have one: no debugger tells
        it."""
        types = self._types
        closures = [number for number, name in enumerate(types.names) if name.endswith(")>") and "<lambda(" in name]
        rows = (types.kind == TypeKind.STRUCT) & np.isin(types.name, [0, *closures])
        found: list[int] = np.flatnonzero(rows).tolist()
        return found

    def _number(self, kind: TypeKind, target: int, count: int, size: int) -> int:
        key = (int(kind), target, count)
        if key not in self._known:
            self._known[key] = len(self._types) + len(self._made)
            self._made.append((kind, target, count, size))
        return self._known[key]

    def _size(self, number: int) -> int:
        if number == NONE:
            return 0
        own = len(self._types)
        return int(self._types.size[number]) if number < own else self._made[number - own][3]

    def columns(self) -> TypeColumns:
        """Return all types: those there were, and behind them what was made up."""
        if not self._made:
            return self._types
        old = self._types
        kind, target, count, size = (list(each) for each in zip(*self._made))
        none = [0] * len(kind)
        return replace(
            old,
            kind=np.append(old.kind, np.array(kind, np.int8)),
            name=np.append(old.name, np.array(none, np.int32)),
            size=np.append(old.size, np.array(size, np.int64)),
            target=np.append(old.target, np.array(target, np.int32)),
            count=np.append(old.count, np.array(count, np.int64)),
            language=np.append(old.language, np.array(none, np.int8)),
            members=np.append(old.members, np.full(len(kind), old.members[-1])),
            arguments=np.append(old.arguments, np.full(len(kind), old.arguments[-1])),
        )
