"""The entries of debug information (DIEs) as pyelftools has them: children, references, plain attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget

# DW_ATE_: signed, signed_char; boolean, unsigned, unsigned_char, UTF.
_SIGNED, _UNSIGNED = (5, 6), (2, 7, 8, 16)
_WITHIN_UNIT = ("DW_FORM_ref1", "DW_FORM_ref2", "DW_FORM_ref4", "DW_FORM_ref8", "DW_FORM_ref_udata")


def children_of(die: Any, budget: Budget) -> Iterator[Any]:
    """Yield the children of a DIE. The way leads forward only, where pyelftools' own may go round and round between
    siblings."""
    unit, offset, depth = die.cu, die.offset + die.size, 0
    while die.has_children and offset < unit.cu_offset + unit.size:
        budget.spend()
        child = unit.get_DIE_from_refaddr(offset)
        if child.is_null():
            if depth == 0:
                return
            depth -= 1
        elif depth == 0:
            yield child
        sibling = _sibling(child) if child.has_children else 0
        depth += bool(child.has_children) and sibling <= offset
        offset = max(sibling, offset + child.size)


def _sibling(die: Any) -> int:
    """Return the offset of the next sibling as the DIE has it, 0 for none."""
    attribute = die.attributes.get("DW_AT_sibling")
    return die.cu.cu_offset + attribute.value if attribute is not None and attribute.form in _WITHIN_UNIT else 0


def type_of(die: Any) -> Any | None:
    return referred(die, "DW_AT_type")


def referred(die: Any, attribute: str) -> Any | None:
    """Return the DIE that an attribute refers to; None where there is none, or it is in a file that is not at hand."""
    try:
        return die.get_DIE_from_attribute(attribute) if attribute in die.attributes else None
    except NotImplementedError:
        return None


def number_type(unit: Any, offset: int) -> tuple[int, bool] | None:
    """Return how many bytes an integer type has, and whether it is signed, by its entry's offset in the unit; None
    where that is another entry. UNPARSABLE."""
    if not 0 < offset < unit.size:
        return None
    die = unit.get_DIE_from_refaddr(unit.cu_offset + offset)
    encoding = constant_of(die, "DW_AT_encoding")
    if die.tag != "DW_TAG_base_type" or encoding not in (*_SIGNED, *_UNSIGNED):
        return None
    return constant_of(die, "DW_AT_byte_size"), encoding in _SIGNED


def name_of(die: Any) -> str:
    attribute = die.attributes.get("DW_AT_name")
    return attribute.value.decode("utf-8", "replace") if attribute is not None else ""


def constant_of(die: Any, attribute: str) -> int:
    """Return a constant attribute; 0 where it is absent or no plain number (an expression)."""
    value = die.attributes[attribute].value if attribute in die.attributes else 0
    return value if isinstance(value, int) else 0
