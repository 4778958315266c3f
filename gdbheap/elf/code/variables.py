"""The variables of a frame: where each lies, or what it is worth."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.scopes import FunctionScope, origins
from gdbheap.elf.code.type_words import stripped
from gdbheap.elf.dies import children_of, constant_of, name_of, type_of
from gdbheap.elf.unwind.expression import InRegister, MemoryPlace, Surroundings, Worth, evaluate
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass

_MOST_VARIABLES = 512
_MOST_ENTRIES = 10_000
_ARGUMENT, _VARIABLE = "DW_TAG_formal_parameter", "DW_TAG_variable"
_BLOCKS = ("DW_TAG_lexical_block", "DW_TAG_inlined_subroutine")
_MOST_DEPTH = 16
_LISTS = ("DW_FORM_sec_offset", "DW_FORM_loclistx", "DW_FORM_data4", "DW_FORM_data8")


@dataclass(frozen=True)
class FrameVariable:
    """A variable of a frame: `place` says where it is, None where it was optimised out or cannot be told. `type` is its
    entry (None: void)."""

    name: str
    type: Any | None
    place: MemoryPlace | InRegister | Worth | None
    is_argument: bool


def variables(scope: FunctionScope, address: int, around: Surroundings, budget: Budget) -> Iterator[FrameVariable]:
    """Yield the variables of a function that are in scope at an address (as linked): the innermost block's first."""
    for block in reversed(scope.blocks):
        for die in itertools.islice(children_of(block, budget), _MOST_VARIABLES):
            if die.tag in (_ARGUMENT, _VARIABLE):
                found = _variable(die, address, around)
                if found is not None:
                    yield found


def types_of_variables(entry: Any, budget: Budget, depth: int = 0) -> Iterator[Any]:
    """Yield the types of the variables of a function, those of its blocks and of what was inlined among them."""
    for die in itertools.islice(children_of(entry, budget), _MOST_VARIABLES):
        if die.tag in (_ARGUMENT, _VARIABLE):
            yield next((kind for each in origins(die) if (kind := type_of(each)) is not None), None)
        elif die.tag in _BLOCKS and depth < _MOST_DEPTH:
            yield from types_of_variables(die, budget, depth + 1)


def static_variable(unit: Any, name: str, around: Surroundings, budget: Budget) -> FrameVariable | None:
    """Return the variable of that name at the top of a unit: one that is defined before one that is declared."""
    declared = None
    for die in children_of(unit.get_top_DIE(), budget):
        if die.tag != _VARIABLE:
            continue
        if next((own for each in origins(die) if (own := name_of(each))), "") != name:
            continue
        type_ = next((kind for each in origins(die) if (kind := type_of(each)) is not None), None)
        found = FrameVariable(name, type_, place_of(die, "DW_AT_location", 0, around), False)
        if found.place is not None:
            return found
        declared = declared or found
    return declared


def _variable(die: Any, address: int, around: Surroundings) -> FrameVariable | None:
    name, type_ = "", None
    for each in origins(die):
        name = name or name_of(each)
        type_ = type_ or type_of(each)
        if "DW_AT_declaration" in each.attributes:
            return None
    if not name:
        return None
    return FrameVariable(name, type_, place_of(die, "DW_AT_location", address, around), die.tag == _ARGUMENT)


def place_of(die: Any, attribute: str, address: int, around: Surroundings) -> MemoryPlace | InRegister | Worth | None:
    """Return where an attribute says that a thing is, at an address of code (as linked)."""
    found = die.attributes.get(attribute)
    if found is None:
        constant = die.attributes.get("DW_AT_const_value")
        known = constant is not None and isinstance(constant.value, int)
        return Worth(constant.value & (1 << 64) - 1) if known and constant is not None else None
    code = _listed(die, found.value, address) if found.form in _LISTS else bytes(found.value)
    try:
        return evaluate(code, around) if code else None
    except (MemoryFault, OverflowError):
        return None


def _listed(die: Any, offset: int, address: int) -> bytes:
    """Return the expression that holds at an address, of a list of them; b"" for none."""
    lists = die.cu.dwarfinfo.location_lists()
    if lists is None:
        return b""
    base = constant_of(die.cu.get_top_DIE(), "DW_AT_low_pc")
    for each in itertools.islice(lists.get_location_list_at_offset(offset, die), _MOST_ENTRIES):
        if hasattr(each, "base_address"):
            base = each.base_address
        elif hasattr(each, "begin_offset"):
            start = 0 if getattr(each, "is_absolute", False) else base
            if start + each.begin_offset <= address < start + each.end_offset:
                return bytes(each.loc_expr)
    return b""


def frame_base(scope: FunctionScope, address: int, around: Surroundings) -> int | None:
    """Return what the function's variables are counted from."""
    found = place_of(scope.entry, "DW_AT_frame_base", address, around)
    if isinstance(found, InRegister):
        return around.register(found.number)
    return found.address if isinstance(found, MemoryPlace) else None


def is_signed(type_: Any | None) -> bool:
    """Whether a type's values may be below zero."""
    kind = stripped(type_)
    if kind is not None and kind.tag == "DW_TAG_enumeration_type":
        return False
    return kind is not None and constant_of(kind, "DW_AT_encoding") in (5, 6, 0xD)
