"""Types as columns of numbers: what a catalogue of a hundred thousand types is kept in, one row a type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from gdbheap.lazy import dataclass, np
from gdbheap.types.catalogue import Member, MemberKind, TypeInfo, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANGUAGES = ("", "c", "c++", "rust")


@dataclass(frozen=True)
class TypeColumns:
    """One row a type. `kind`, `name` (a number in `names`), `size`, `target`, `count`, `language` (a number in
    LANGUAGES): as TypeInfo has them. The members of type t are those from members[t] to members[t + 1] in the
    columns `member_name`, `member_offset`, `member_type`, `member_kind`; its template arguments likewise."""

    names: Sequence[str]
    kind: NDArray[np.int8]
    name: NDArray[np.int32]
    size: NDArray[np.int64]
    target: NDArray[np.int32]
    count: NDArray[np.int64]
    language: NDArray[np.int8]
    members: NDArray[np.int64]
    member_name: NDArray[np.int32]
    member_offset: NDArray[np.int64]
    member_type: NDArray[np.int32]
    member_kind: NDArray[np.int8]
    arguments: NDArray[np.int64]
    argument_type: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.kind)


class ColumnTypes(Sequence[TypeInfo]):
    """Types of columns, each made when it is first asked for."""

    def __init__(self, columns: TypeColumns) -> None:
        self.columns = columns
        self._made: dict[int, TypeInfo] = {}

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, number: int) -> TypeInfo: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[TypeInfo]: ...
    def __getitem__(self, number: int | slice) -> TypeInfo | Sequence[TypeInfo]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        made = self._made.get(number)
        if made is None:
            if not 0 <= number < len(self):
                raise IndexError(number)
            made = self._made[number] = self._make(number)
        return made

    def _make(self, number: int) -> TypeInfo:
        rows = self.columns
        first, last = rows.members[number : number + 2].tolist()
        members = zip(
            rows.member_name[first:last].tolist(),
            rows.member_offset[first:last].tolist(),
            rows.member_type[first:last].tolist(),
            rows.member_kind[first:last].tolist(),
        )
        first, last = rows.arguments[number : number + 2].tolist()
        return TypeInfo(
            rows.names[int(rows.name[number])],
            TypeKind(int(rows.kind[number])),
            int(rows.size[number]),
            int(rows.target[number]),
            int(rows.count[number]),
            tuple(Member(rows.names[name], offset, type_, MemberKind(kind)) for name, offset, type_, kind in members),
            tuple(rows.argument_type[first:last].tolist()),
            LANGUAGES[int(rows.language[number])],
        )


class NumbersByName(Mapping[str, "tuple[int, ...]"]):
    """The numbers of the structs, unions, typedefs, scalars and what is only declared, of each name."""

    def __init__(self, columns: TypeColumns) -> None:
        self._columns = columns
        self._found: dict[str, tuple[int, ...]] | None = None

    def _numbers(self) -> dict[str, tuple[int, ...]]:
        if self._found is None:
            rows = self._columns
            named = np.flatnonzero(rows.name > 0)
            found: dict[str, tuple[int, ...]] = {}
            for number, name in zip(named.tolist(), rows.name[named].tolist()):
                text = rows.names[name]
                found[text] = (*found.get(text, ()), number)
            self._found = found
        return self._found

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._numbers()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers())

    def __len__(self) -> int:
        return len(self._numbers())


def no_types() -> TypeColumns:
    """Return columns of no types."""
    return TypeColumns(
        ("",),
        **{name: np.zeros(0, kind) for name, kind in COLUMN_TYPES.items() if name not in ("members", "arguments")},
        members=np.zeros(1, np.int64),
        arguments=np.zeros(1, np.int64),
    )


COLUMN_TYPES: Mapping[str, Any] = {
    "kind": "i1",
    "name": "i4",
    "size": "i8",
    "target": "i4",
    "count": "i8",
    "language": "i1",
    "members": "i8",
    "member_name": "i4",
    "member_offset": "i8",
    "member_type": "i4",
    "member_kind": "i1",
    "arguments": "i8",
    "argument_type": "i4",
}
"""The columns and numpy's names of what is in them."""
