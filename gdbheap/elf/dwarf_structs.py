"""Struct layouts out of DWARF: only the compilation unit that has them is parsed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.dies import children_of, constant_of, name_of, referred, type_of
from gdbheap.process.cstruct import MAX_STRUCT, CStruct, Field

# Bounds against hostile or broken debug info: nothing real comes near.
MAX_TYPE_DEPTH = 16
MAX_NESTING = 4
MAX_UNITS = 4_000
MAX_IMPORTS = 500
MAX_MEMBERS = 1_000
MAX_DIMENSIONS = 8

_TRANSPARENT = {
    "DW_TAG_typedef",
    "DW_TAG_const_type",
    "DW_TAG_volatile_type",
    "DW_TAG_atomic_type",
    "DW_TAG_restrict_type",
}
_AGGREGATES = ("DW_TAG_structure_type", "DW_TAG_union_type")


def unit_of_source(dwarf: Any, source: str) -> Any | None:
    """Return the compilation unit whose source file is named `source` ("malloc.c"), or None: the slow way."""
    for unit in itertools.islice(dwarf.iter_CUs(), MAX_UNITS):
        name = name_of(unit.get_top_DIE())
        if name == source or name.endswith("/" + source):
            return unit
    return None


def read_structs(unit: Any, wanted: Collection[str], budget: Budget) -> dict[str, CStruct]:
    """Return the wanted structs that `unit` defines, by their tag without leading "_"; ELFError where that is beyond
    the budget."""
    found: dict[str, CStruct] = {}
    for die in _top_level(unit, set(), budget):
        if die.tag not in _AGGREGATES or "DW_AT_declaration" in die.attributes:
            continue
        name = name_of(die).lstrip("_")
        if name in wanted and name not in found and "DW_AT_byte_size" in die.attributes:
            struct = _struct(die, name, budget)
            if 0 < struct.size <= MAX_STRUCT:
                found[name] = struct
    return found


def _top_level(unit: Any, seen: set[tuple[int, int]], budget: Budget) -> Iterator[Any]:
    """Yield the DIEs at the top of `unit`, and after them those of the partial units (dwz) that it imports, from
    another file perhaps."""
    seen.add(_place(unit))
    imports = []
    for die in children_of(unit.get_top_DIE(), budget):
        if die.tag == "DW_TAG_imported_unit":
            imports.append(die)
        else:
            yield die
    for die in imports:
        imported = referred(die, "DW_AT_import")
        if imported is not None and _place(imported.cu) not in seen and len(seen) < MAX_IMPORTS:
            yield from _top_level(imported.cu, seen, budget)


def _place(unit: Any) -> tuple[int, int]:
    return id(unit.dwarfinfo), unit.cu_offset


def _struct(die: Any, name: str, budget: Budget) -> CStruct:
    members = itertools.islice(_members(die, 0, 0, budget), MAX_MEMBERS)
    size = constant_of(die, "DW_AT_byte_size")
    inside = (each for each in members if each.offset >= 0 and each.offset + each.size <= size)
    return CStruct(name, size, {each.name: each for each in inside})


def _members(die: Any, base: int, depth: int, budget: Budget) -> Iterator[Field]:
    """Yield the members, those of anonymous structs and unions as if they were the outer one's own. Bit fields are
    left out."""
    for member in children_of(die, budget):
        if member.tag != "DW_TAG_member" or "DW_AT_bit_size" in member.attributes:
            continue
        offset = base + constant_of(member, "DW_AT_data_member_location")
        name = name_of(member)
        if name:
            size, count = _size(member, 0, budget)
            # Padding of no elements (char pad[0]) and flexible arrays hold nothing to read; a type in a missing file
            # (dwz) has no size.
            if size > 0 and count > 0:
                yield Field(name, offset, size * count, count)
        elif depth < MAX_NESTING:
            inner = type_of(member)
            if inner is not None and inner.tag in _AGGREGATES:
                yield from _members(inner, offset, depth + 1, budget)


def _size(die: Any, depth: int, budget: Budget) -> tuple[int, int]:
    """Return the size of one element of the type of `die`, and how many there are (1: no array)."""
    target = type_of(die)
    if target is None or depth > MAX_TYPE_DEPTH:
        return 0, 1
    if target.tag in _TRANSPARENT:
        return _size(target, depth + 1, budget)
    if target.tag == "DW_TAG_array_type":
        size, inner = _size(target, depth + 1, budget)
        count = inner
        for subrange in itertools.islice(children_of(target, budget), MAX_DIMENSIONS):
            # An enumeration as an index type may be a child as well.
            count *= _length(subrange) if subrange.tag == "DW_TAG_subrange_type" else 1
        return size, count
    if "DW_AT_byte_size" in target.attributes:
        return constant_of(target, "DW_AT_byte_size"), 1
    return (target.cu["address_size"], 1) if target.tag == "DW_TAG_pointer_type" else (0, 1)


def _length(subrange: Any) -> int:
    if "DW_AT_count" in subrange.attributes:
        return constant_of(subrange, "DW_AT_count")
    if "DW_AT_upper_bound" in subrange.attributes:
        return constant_of(subrange, "DW_AT_upper_bound") + 1
    return 0
