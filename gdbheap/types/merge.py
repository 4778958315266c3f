"""Types that several units or modules tell of, made into one: of the same name, size and members, whose types are the
same in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.columns import TypeColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So far along pointers and members are two types compared: a pointer to a struct takes one step.
_ROUNDS = 8
_STRUCTS = (TypeKind.STRUCT, TypeKind.UNION)


def merged(types: TypeColumns) -> tuple[TypeColumns, NDArray[np.int32]]:
    """Return the types, each once, and for each old number the new one."""
    completed = _completed(types)
    types = replace(
        types,
        target=renumbered(types.target, completed),
        member_type=renumbered(types.member_type, completed),
        argument_type=renumbered(types.argument_type, completed),
    )
    left = np.flatnonzero(completed == np.arange(len(types)))
    _, first, classes = np.unique(_fingerprints(types)[left], return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    numbers = np.full(len(types), NONE, np.int32)
    numbers[left] = rank[classes.reshape(-1)]
    kept = chosen(types, left[first[order]])
    kept = replace(
        kept,
        target=renumbered(kept.target, numbers),
        member_type=renumbered(kept.member_type, numbers),
        argument_type=renumbered(kept.argument_type, numbers),
    )
    return kept, renumbered(completed, numbers)


def renumbered(old: NDArray[np.int32], numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the new numbers of old ones; NONE stays."""
    if not len(numbers):
        return np.full(len(old), NONE, np.int32)
    return np.where(old >= 0, numbers[np.maximum(old, 0)], np.int32(NONE))


def chosen(types: TypeColumns, rows: NDArray[np.int64]) -> TypeColumns:
    """Return the columns of some of the types; what they refer to keeps its number."""
    members, member_rows = _spans(types.members, rows)
    arguments, argument_rows = _spans(types.arguments, rows)
    return TypeColumns(
        names=types.names,
        **{name: getattr(types, name)[rows] for name in ("kind", "name", "size", "target", "count", "language")},
        members=members,
        **{name: getattr(types, name)[member_rows] for name in ("member_name", "member_offset")},
        **{name: getattr(types, name)[member_rows] for name in ("member_type", "member_kind")},
        arguments=arguments,
        argument_type=types.argument_type[argument_rows],
    )


def joined(parts: Sequence[TypeColumns]) -> tuple[TypeColumns, list[NDArray[np.int32]]]:
    """Return the types of several modules as one, and for each module's numbers the new ones."""
    if len(parts) == 1:  # which has each of its types once
        return parts[0], [np.arange(len(parts[0]), dtype=np.int32)]
    names: dict[str, int] = {"": 0}
    columns: dict[str, list[NDArray[Any]]] = {}
    types = members = arguments = 0
    for part in parts:
        texts = np.array([names.setdefault(part.names[each], len(names)) for each in range(len(part.names))], np.int32)
        for name in ("kind", "size", "count", "language", "member_offset", "member_kind"):
            columns.setdefault(name, []).append(getattr(part, name))
        for name in ("name", "member_name"):
            columns.setdefault(name, []).append(texts[getattr(part, name)])
        for name in ("target", "member_type", "argument_type"):
            old = getattr(part, name)
            columns.setdefault(name, []).append(np.where(old >= 0, old + types, NONE).astype(np.int32))
        columns.setdefault("members", []).append(part.members[:-1] + members)
        columns.setdefault("arguments", []).append(part.arguments[:-1] + arguments)
        types, members = types + len(part), members + len(part.member_name)
        arguments += len(part.argument_type)
    columns["members"].append(np.array([members]))
    columns["arguments"].append(np.array([arguments]))
    whole: dict[str, NDArray[Any]] = {name: np.concatenate(each) for name, each in columns.items()}
    found, numbers = merged(TypeColumns(list(names), **whole))
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return found, np.split(numbers, ends)


def _spans(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the new starts of the chosen rows' parts, and the places that they come from."""
    counts = starts[rows + 1] - starts[rows]
    new = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(counts, out=new[1:])
    places = np.arange(int(new[-1]), dtype=np.int64) + np.repeat(starts[rows] - new[:-1], counts)
    return new, places


def _completed(types: TypeColumns) -> NDArray[np.int32]:
    """Return for each type its number, and for one that is only declared that of the struct or union of this name,
    where all that have it are of one make."""
    numbers = np.arange(len(types), dtype=np.int32)
    opaque = np.flatnonzero((types.kind == TypeKind.OPAQUE) & (types.name > 0))
    whole = np.flatnonzero(np.isin(types.kind, _STRUCTS) & (types.name > 0))
    if not len(opaque) or not len(whole):
        return numbers
    make = _shallow(types)[whole]
    order = np.lexsort((whole, types.name[whole]))
    names, makes, whole = types.name[whole][order], make[order], whole[order]
    first = np.searchsorted(names, types.name[opaque])
    behind = np.searchsorted(names, types.name[opaque], side="right")
    there = first < behind
    opaque, first, behind = opaque[there], first[there], behind[there]
    # Where a make differs from the one before it, its name is not of one make.
    changes = np.zeros(len(names) + 1, np.int64)
    changes[2:] = np.cumsum(makes[1:] != makes[:-1])
    same = changes[behind] == changes[first + 1]
    numbers[opaque[same]] = whole[first[same]]
    return numbers


def _shallow(types: TypeColumns) -> NDArray[np.uint64]:
    """Return a fingerprint of what a type says itself, without the types that it refers to."""
    owners = np.repeat(np.arange(len(types)), np.diff(types.members))
    within = np.arange(len(owners)) - types.members[owners]
    members = _mixed(types.member_name, types.member_offset, types.member_kind, within)
    return _mixed(types.kind, types.name, types.size, types.count, _sums(members, types.members))


def _fingerprints(types: TypeColumns) -> NDArray[np.uint64]:
    """Return numbers that are the same for types that are the same."""
    own = _shallow(types)
    owners = np.repeat(np.arange(len(types)), np.diff(types.members))
    member = _mixed(types.member_name, types.member_offset, np.arange(len(owners)) - types.members[owners])
    found = own
    for _ in range(_ROUNDS):
        known = np.append(found, np.uint64(0))  # the last is NONE's
        inner = _sums(_mixed(member, known[types.member_type]), types.members)
        places = np.arange(len(types.argument_type))
        places -= np.repeat(types.arguments[:-1], np.diff(types.arguments))
        arguments = _sums(_mixed(places, known[types.argument_type]), types.arguments)
        found = _mixed(own, known[types.target], inner, arguments)
    return found


def _mixed(*columns: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a fingerprint of each row. (the finalizer of splitmix64)"""
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total = total * np.uint64(0x9E3779B97F4A7C15) + column.astype(np.int64, copy=False).view(np.uint64)
        total += np.uint64(0x632BE59BD9B4E019)
        total ^= total >> np.uint64(30)
        total *= np.uint64(0xBF58476D1CE4E5B9)
        total ^= total >> np.uint64(27)
    return total


def _sums(values: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the sum of each part, modulo 2^64."""
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums[starts[1:]] - sums[starts[:-1]]
