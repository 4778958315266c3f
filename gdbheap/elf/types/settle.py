"""Rows made into types and variables: references become numbers of types, and what says the same becomes one."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gdbheap.elf.types.rows import NO_PLACE, TRANSPARENT, Rows
from gdbheap.lazy import np, regex
from gdbheap.process.columns.distinct import are_among, distinct
from gdbheap.types.catalogue import NONE, MemberKind, Storage, TypeKind, Variable
from gdbheap.types.columns import TypeColumns, no_types
from gdbheap.types.merge import chosen, merged, renumbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

# 2^6 steps of const and volatile, and as many arrays of arrays, are followed.
_DOUBLINGS, _LONGEST_CHAIN = 6, 64
_MOST_SIZE = 1 << 31
_MOVED = regex(r"std::remove_reference<(.*?)&*>::type")
# A definition that refers to what was inlined, and that to the declaration in the class.
_LONGEST_ORIGIN = 3


class Settled(NamedTuple):
    types: TypeColumns
    variables: tuple[Variable, ...]


def settled(rows: Rows) -> Settled:
    """Return what the rows say."""
    if not rows.types:
        return Settled(no_types(), ())
    places = _Places(_column(rows.types, rows.TYPE, 0), rows.signed())
    kind = _column(rows.types, rows.TYPE, 1)[places.order].astype(np.int8)
    own, place, count, language = (_column(rows.types, rows.TYPE, each)[places.order] for each in (3, 4, 5, 6))
    target = places.numbers(place)
    kind[(kind == TypeKind.OPAQUE) & (target >= 0)] = TRANSPARENT
    link = _behind_qualifiers(kind, target)
    target = renumbered(target, link)
    target[kind == TypeKind.OPAQUE] = NONE
    size = _sizes(kind, target, own, count)
    owners, members = _members(rows, places, link, size)
    argument_owners, arguments = _arguments(rows, places, link)
    columns = TypeColumns(
        names=rows.names,
        kind=kind,
        name=_named_by_typedefs(kind, target, rows, places),
        size=size,
        target=target,
        count=count,
        language=_languages(language.astype(np.int8)),
        members=np.searchsorted(owners, np.arange(len(kind) + 1)),
        **members,
        arguments=np.searchsorted(argument_owners, np.arange(len(kind) + 1)),
        argument_type=arguments,
    )
    found, numbers = _without_qualifiers(columns)
    return Settled(found, _variables(rows, places, renumbered(link, numbers)))


def _languages(told: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the languages; units that say none (dwz's, of what several share) have the one of most others."""
    counts = np.bincount(told, minlength=2)
    counts[0] = 0
    return np.where(told == 0, np.int8(counts.argmax() if counts.any() else 0), told)


def unread_functions(rows: Rows) -> NDArray[np.int64]:
    """Return the rows of the skipped functions in which something is that others refer to."""
    skipped = np.stack([_column(rows.skipped, rows.SKIPPED, each) for each in range(rows.SKIPPED)], axis=1)
    places = _column(rows.types, rows.TYPE, 0)
    variables, origins = _column(rows.variables, rows.VARIABLE, 0), _column(rows.variables, rows.VARIABLE, 6)
    if not len(skipped) or not len(places):
        return skipped[:0]
    wanted = distinct(
        np.concatenate(
            [
                _column(rows.types, rows.TYPE, 4),
                _column(rows.members, rows.MEMBER, 3),
                _column(rows.arguments, rows.ARGUMENT, 1),
                _column(rows.variables, rows.VARIABLE, 2),
                origins[_column(rows.variables, rows.VARIABLE, 3) != NONE],
                np.array(rows.signed(), np.int64),
            ]
        )
    )
    wanted = wanted[~are_among(wanted, np.sort(places)) & ~are_among(wanted, np.sort(variables))]
    skipped = skipped[np.argsort(skipped[:, 0], kind="stable")]
    at = np.searchsorted(skipped[:, 0], wanted, side="right") - 1
    inside = (at >= 0) & (wanted < skipped[np.maximum(at, 0), 1])
    found: NDArray[np.int64] = skipped[distinct(at[inside])]
    return found


def _column(rows: array[int], width: int, index: int) -> NDArray[np.int64]:
    """Return a column of the rows: a copy, for an array that is looked at in place cannot grow."""
    column = rows[index::width]
    return np.frombuffer(column, np.int64) if column else np.empty(0, np.int64)


class _Places:
    """Types by the places of their entries. `order` sorts their rows by place: a type's number is its index in that."""

    def __init__(self, places: NDArray[np.int64], signed: list[int]) -> None:
        self.order = np.argsort(places, kind="stable")
        self._sorted = places[self.order]
        self._signed = np.array([*signed, NO_PLACE], np.int64)
        self.rank = np.empty(len(places), np.int64)
        self.rank[self.order] = np.arange(len(places))

    def numbers(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the numbers of the types at these places, NONE where there is none."""
        signed = self._signed[np.clip(-2 - places, 0, len(self._signed) - 1)]
        places = np.where(places < NO_PLACE, signed, places)
        at = np.minimum(np.searchsorted(self._sorted, places), len(self._sorted) - 1)
        return np.where(self._sorted[at] == places, at, NONE).astype(np.int32)


def _behind_qualifiers(kind: NDArray[np.int8], target: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each type its own number, or that of the type that it is a const, volatile, ... form of."""
    transparent = kind == TRANSPARENT
    link = np.where(transparent, target, np.arange(len(kind), dtype=np.int32))
    for _ in range(_DOUBLINGS):
        link = renumbered(link, link)
    return np.where((link >= 0) & transparent[link], np.int32(NONE), link)


def _sizes(
    kind: NDArray[np.int8], target: NDArray[np.int32], own: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the sizes, those of typedefs and arrays by what they are of."""
    size: NDArray[np.int64] = own.copy()
    size[kind == TypeKind.OPAQUE] = 0
    derived = np.flatnonzero(((kind == TypeKind.TYPEDEF) | (kind == TypeKind.ARRAY)) & (target >= 0))
    times = np.where(kind[derived] == TypeKind.ARRAY, np.maximum(count[derived], 0), 1)
    for _ in range(_LONGEST_CHAIN):
        new = size[target[derived]] * times
        new[new >= _MOST_SIZE] = 0
        if (new == size[derived]).all():
            break
        size[derived] = new
    return size


def _named_by_typedefs(
    kind: NDArray[np.int8], target: NDArray[np.int32], rows: Rows, places: _Places
) -> NDArray[np.int32]:
    """Return the names, an unnamed struct having that of the first typedef of it. Of a template's typedefs only one
    tells: GNU compilers give closures no name, but where one is moved this has it."""
    name: NDArray[np.int32] = _column(rows.types, rows.TYPE, 2)[places.order].astype(np.int32)
    typedefs = np.flatnonzero((kind == TypeKind.TYPEDEF) & (target >= 0) & (name > 0))[::-1]
    unnamed = np.isin(kind[target[typedefs]], (TypeKind.STRUCT, TypeKind.UNION, TypeKind.SCALAR))
    for row in typedefs[unnamed & (name[target[typedefs]] == 0)].tolist():
        text = rows.names[int(name[row])]
        moved = _MOVED.fullmatch(text) if "<" in text else None
        if moved or "<" not in text:
            name[target[row]] = rows.name(moved[1]) if moved else name[row]
    return name


def _members(
    rows: Rows, places: _Places, link: NDArray[np.int32], size: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Return the owners, in order, and the columns of the members, of those that lie inside their owner."""
    owner, name, offset, type_, kind = (_column(rows.members, rows.MEMBER, each) for each in range(5))
    owners = places.rank[owner]
    order = np.argsort(owners, kind="stable")
    numbers = renumbered(places.numbers(type_), link)
    own = np.append(size, 0)[numbers]
    # A base class's size counts its virtual bases, which lie elsewhere in what is derived from it.
    own[(kind == MemberKind.BASE) | (kind == MemberKind.BIT_FIELD)] = 0
    inside = (offset >= 0) & (offset + own <= size[owners]) | (kind == MemberKind.VIRTUAL_BASE)
    order = order[inside[order]]
    return owners[order], {
        "member_name": name[order].astype(np.int32),
        "member_offset": offset[order],
        "member_type": numbers[order],
        "member_kind": kind[order].astype(np.int8),
    }


def _arguments(rows: Rows, places: _Places, link: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    owners = places.rank[_column(rows.arguments, rows.ARGUMENT, 0)]
    order = np.argsort(owners, kind="stable")
    types = _column(rows.arguments, rows.ARGUMENT, 1)[order]
    return owners[order], renumbered(places.numbers(types), link)


def _without_qualifiers(columns: TypeColumns) -> tuple[TypeColumns, NDArray[np.int32]]:
    """Return the types, each once, and for each old number the new one."""
    found, numbers = merged(columns)
    left = np.flatnonzero(found.kind != TRANSPARENT)
    new = np.full(len(found), NONE, np.int32)
    new[left] = np.arange(len(left), dtype=np.int32)
    kept = chosen(found, left)
    kept = replace(
        kept,
        target=renumbered(kept.target, new),
        member_type=renumbered(kept.member_type, new),
        argument_type=renumbered(kept.argument_type, new),
    )
    return _with_used_names(kept), renumbered(numbers, new)


def _with_used_names(types: TypeColumns) -> TypeColumns:
    """Return the types with no names but their own and their members'."""
    used = distinct(np.concatenate([np.zeros(1, np.int32), types.name, types.member_name]))
    return replace(
        types,
        names=[types.names[each] for each in used.tolist()],
        name=np.searchsorted(used, types.name).astype(np.int32),
        member_name=np.searchsorted(used, types.member_name).astype(np.int32),
    )


def _variables(rows: Rows, places: _Places, numbers: NDArray[np.int32]) -> tuple[Variable, ...]:
    place, name, type_, storage, address, function, origin = (
        _column(rows.variables, rows.VARIABLE, each).copy() for each in range(rows.VARIABLE)
    )
    types = renumbered(places.numbers(type_), numbers)
    order = np.argsort(place, kind="stable")
    sorted_places, told = place[order], origin.copy()
    for _ in range(_LONGEST_ORIGIN):
        at = np.minimum(np.searchsorted(sorted_places, origin), max(len(order) - 1, 0))
        there = np.flatnonzero(sorted_places[at] == origin)
        other = order[at[there]]
        name[there] = np.where(name[other] > 0, name[other], name[there])
        types[there] = np.where(types[there] >= 0, types[there], types[other])
        function[there] = np.where(function[there] > 0, function[there], function[other])
        origin[there] = np.where(told[other] == origin[there], NO_PLACE, told[other])
    function = np.maximum(function, 0)
    # The definition with a type first: several units may have an inline variable.
    placed = np.flatnonzero(storage != NONE)
    placed = placed[np.lexsort((types[placed] < 0, address[placed], storage[placed]))]
    found: dict[tuple[int, int], Variable] = {}
    columns = (name, types, storage, address, function)
    for text, number, kind, where, inside in zip(*(each[placed].tolist() for each in columns)):
        variable = Variable(rows.names[text], number, Storage(kind), where, rows.names[inside])
        found.setdefault((kind, where), variable)
    return tuple(found.values())
