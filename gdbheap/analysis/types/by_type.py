"""The heap by type: what each block is called alike, counted, with verdicts and an example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import BlockTypes, Confidence, How
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import coded
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.allocators.blocks import Blocks


@dataclass(frozen=True)
class NamedKind:
    """What blocks are called alike: a type's `name` ("struct order", "struct order[]" for arrays of any length, a label
    such as "Python dict"), or only the `role` that they play ("dictEntry.key"); nothing where neither is known.
    `others` are the types that are as good, where it is only possible."""

    name: str = ""
    role: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class TypeGroup:
    """The blocks of one kind: `count` of them with `bytes` in their chunks, `elements` of the type in all; how many are
    `reachable` and `lost` (the others are undecided); how many are so called with each Confidence; and `example`, the
    index of one: a reachable one, as certain as there is."""

    kind: NamedKind
    count: int
    bytes: int
    elements: int
    reachable: int
    lost: int
    by_confidence: tuple[int, ...]
    example: int


def kind_of(types: BlockTypes, block: int) -> NamedKind:
    """Return what the block is called."""
    number = int(types.type[block])
    if number != NONE:
        others = tuple(types.type_name(each) for each in types.alternatives.get(block, ()) if each != number)
        name = types.type_name(number) + ("[]" if types.count[block] else "")
        return NamedKind(f"block with {name}" if int(types.how[block]) == How.INSIDE else name, others=others)
    label = int(types.label[block])
    return NamedKind(types.labels[label]) if label >= 0 else NamedKind(role=types.role_name(block))


def groups_by_type(
    types: BlockTypes, blocks: Blocks, reachable: NDArray[np.bool_], lost: NDArray[np.bool_]
) -> list[TypeGroup]:
    """Return the groups, those with the most bytes first; `reachable` and `lost` tell of each block."""
    if not len(types):
        return []
    _, first, which = coded(kind_codes(types))
    length = len(first)

    def tally(values: NDArray[np.generic]) -> NDArray[np.int64]:
        # As two halves: bincount adds floats, which hold whole numbers to 2**53 only.
        whole = values.astype(np.uint64)
        low = np.bincount(which, whole & np.uint64(0xFFFF_FFFF), length).astype(np.int64)
        high = np.bincount(which, whole >> np.uint64(32), length).astype(np.int64)
        return low + (high << 32)

    columns = [
        np.bincount(which, minlength=length),
        tally(blocks.size),
        tally(np.maximum(types.count, 1)),
        tally(reachable),
        tally(lost),
        *(tally(types.confidence == level) for level in Confidence),
        _examples(which, types, reachable, length),
    ]
    merged: dict[NamedKind, TypeGroup] = {}
    for at, cells in zip(first.tolist(), zip(*(column.tolist() for column in columns))):
        count, size, elements, held, gone, *levels, example = cells
        group = TypeGroup(kind_of(types, at), count, size, elements, held, gone, tuple(levels), example)
        before = merged.get(group.kind)
        merged[group.kind] = group if before is None else _together(before, group)
    return sorted(merged.values(), key=lambda group: (-group.bytes, group.kind.name, group.kind.role))


def _together(one: TypeGroup, other: TypeGroup) -> TypeGroup:
    """Join what two modules call by one name."""
    return replace(
        one,
        count=one.count + other.count,
        bytes=one.bytes + other.bytes,
        elements=one.elements + other.elements,
        reachable=one.reachable + other.reachable,
        lost=one.lost + other.lost,
        by_confidence=tuple(map(sum, zip(one.by_confidence, other.by_confidence))),
    )


def kind_codes(types: BlockTypes) -> NDArray[np.int64]:
    """Return a number for each block that is the same for those called alike."""
    number = types.type.astype(np.int64)
    label, role = types.label.astype(np.int64), types.role.astype(np.int64)
    labels = 4 * len(types.catalogue.types)
    roles = labels + len(types.labels)
    codes = np.where(
        number != NONE,
        4 * number + 2 * (types.how == How.INSIDE) + (types.count > 0),
        np.where(label >= 0, labels + label, np.where(role >= 0, roles + role, -1)),
    )
    different: dict[tuple[int, tuple[int, ...]], int] = {}
    next_code = roles + len(types.roles)
    for block, others in types.alternatives.items():
        if number[block] != NONE:
            codes[block] = next_code + different.setdefault((int(codes[block]), others), len(different))
    return codes


def _examples(
    which: NDArray[np.intp], types: BlockTypes, reachable: NDArray[np.bool_], length: int
) -> NDArray[np.int64]:
    """Return a block of each group: the first of the most certain, reachable ones."""
    order = np.lexsort((~reachable, -types.confidence.astype(np.int8), which))
    starts = np.searchsorted(which[order], np.arange(length))
    return order[starts].astype(np.int64)


def named_like(groups: list[TypeGroup], wanted: str) -> Iterator[NamedKind]:
    """Yield the kinds that a user means by a name: those that are called so, with or without "struct", "[]", the
    namespace or the template's arguments; where none is, those that have it in their name or role."""
    whole = [group.kind for group in groups if wanted in spellings(group.kind.name)]
    if not whole:
        low = wanted.lower()
        whole = [each.kind for each in groups if low in each.kind.name.lower() or low in each.kind.role.lower()]
    yield from whole


def blocks_of_kinds(types: BlockTypes, kinds: set[NamedKind]) -> NDArray[np.intp]:
    """Return the blocks that are called one of these, in order of address."""
    _, first, which = coded(kind_codes(types))
    wanted = np.array([kind_of(types, at) in kinds for at in first.tolist()], np.bool_)
    return np.flatnonzero(wanted[which])


def spellings(name: str) -> set[str]:
    """Return the ways that a user may write a type's name."""
    plain = name[:-2] if name.endswith("[]") else name
    for tag in ("struct ", "union "):
        plain = plain[len(tag) :] if plain.startswith(tag) else plain
    template = plain.partition("<")[0]
    return {name, plain, template, template.rpartition("::")[2]} - {""}
