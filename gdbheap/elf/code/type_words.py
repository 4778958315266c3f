"""Types of variables, as debuggers write them and as they are told to those who look for them in a catalogue."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.scopes import names_of
from gdbheap.elf.dies import children_of, constant_of, name_of, type_of
from gdbheap.elf.types.texts import respelled
from gdbheap.types.catalogue import TypeKind
from gdbheap.types.local_variable import POINTER_TO, ToldType

_DEEPEST = 16
_MOST_MEMBERS = 32
POINTERS = ("DW_TAG_pointer_type",)
REFERENCES = ("DW_TAG_reference_type", "DW_TAG_rvalue_reference_type")
RECORDS = ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_union_type")
ARRAY = "DW_TAG_array_type"
TYPEDEF = "DW_TAG_typedef"
SCALARS = ("DW_TAG_base_type", "DW_TAG_enumeration_type")
_QUALIFIERS = {"DW_TAG_const_type": "const", "DW_TAG_volatile_type": "volatile"}
_TRANSPARENT = (*_QUALIFIERS, "DW_TAG_restrict_type", "DW_TAG_atomic_type")
_SCOPES = ("DW_TAG_namespace", *RECORDS)
_TAGS = {"DW_TAG_structure_type": "struct ", "DW_TAG_union_type": "union ", "DW_TAG_enumeration_type": "enum "}
# DW_LANG_C89, C, C99, C11, C17.
_C = (0x01, 0x02, 0x0C, 0x1D, 0x2C)


def stripped(die: Any | None) -> Any | None:
    """Return a type without its typedefs and qualifiers; None is void."""
    for _ in range(_DEEPEST):
        if die is None or die.tag not in (*_TRANSPARENT, TYPEDEF):
            return die
        die = type_of(die)
    return die


def size_of_type(die: Any | None, budget: Budget) -> int:
    """Return how many bytes a type takes, 0 where that is not told."""
    kind = stripped(die)
    if kind is None:
        return 0
    if "DW_AT_byte_size" in kind.attributes:
        return constant_of(kind, "DW_AT_byte_size")
    if kind.tag in (*POINTERS, *REFERENCES):
        return int(kind.cu["address_size"])
    if kind.tag == ARRAY:
        size = size_of_type(type_of(kind), budget)
        for each in dimensions(kind, budget):
            size *= each or 0
        return size
    return 0


def dimensions(die: Any, budget: Budget) -> list[int | None]:
    """Return how many elements an array has in each dimension; None where that is not told for good."""
    found: list[int | None] = []
    for each in itertools.islice(children_of(die, budget), _DEEPEST):
        if each.tag == "DW_TAG_subrange_type":
            count, upper = each.attributes.get("DW_AT_count"), each.attributes.get("DW_AT_upper_bound")
            value = (
                count.value if count is not None else upper.value + 1 if upper is not None and _plain(upper) else None
            )
            found.append(value if isinstance(value, int) and value >= 0 else None)
    return found


def _plain(attribute: Any) -> bool:
    return isinstance(attribute.value, int) and not attribute.form.startswith("DW_FORM_ref")


def told_type(die: Any | None, budget: Budget) -> ToldType | None:
    """Return a type in a debugger's words; None for one that holds no pointer to data."""
    steps: list[int] = []
    name = ""
    for _ in range(_DEEPEST):
        while die is not None and die.tag in _TRANSPARENT:
            die = type_of(die)
        if die is None:
            return ToldType(tuple(steps), TypeKind.OPAQUE, "void", 0) if POINTER_TO in steps else None
        if die.tag == TYPEDEF:
            name = qualified(die)
        elif die.tag in (*POINTERS, *REFERENCES):
            steps.append(POINTER_TO)
            name = ""
        elif die.tag == ARRAY:
            counts = dimensions(die, budget)
            if not counts or None in counts:
                return None
            steps += [each or 0 for each in counts]
            name = ""
        else:
            return _named(die, tuple(steps), name, budget)
        die = type_of(die)
    return None


def _named(die: Any, steps: tuple[int, ...], typedef: str, budget: Budget) -> ToldType | None:
    if die.tag in RECORDS:
        kind = TypeKind.UNION if die.tag == "DW_TAG_union_type" else TypeKind.STRUCT
    elif die.tag in SCALARS and POINTER_TO in steps:
        encoding = constant_of(die, "DW_AT_encoding")
        is_character = constant_of(die, "DW_AT_byte_size") == 1 and encoding in (6, 8, 0x10)
        kind = TypeKind.CHARACTER if is_character else TypeKind.SCALAR
    else:
        return None
    size = constant_of(die, "DW_AT_byte_size")
    members = tuple(_members(die, budget)) if die.tag in RECORDS else ()
    return ToldType(steps, kind, qualified(die) or typedef, size, members)


def _members(die: Any, budget: Budget) -> Iterator[tuple[str, int]]:
    for each in itertools.islice(children_of(die, budget), _MOST_MEMBERS):
        bits = {"DW_AT_bit_size", "DW_AT_declaration", "DW_AT_external"} & set(each.attributes)
        if each.tag == "DW_TAG_member" and not bits and name_of(each):
            yield name_of(each), constant_of(each, "DW_AT_data_member_location")


def qualified(die: Any) -> str:
    """Return the name of a type with those of the namespaces and classes that it is declared in; "" unnamed."""
    name, _ = names_of(die)
    if not name:
        return ""
    for _ in range(_DEEPEST):
        die = die.get_parent()
        if die is None or die.tag not in _SCOPES:
            break
        outer = name_of(die) or ("(anonymous namespace)" if die.tag == "DW_TAG_namespace" else "")
        name = f"{outer}::{name}" if outer else name
    return respelled(name) if "<" in name else name


def spelled(die: Any | None, budget: Budget, inner: str = "") -> str:
    """Return a type as a debugger writes it: "struct node *", "const char *", "int [4]"."""
    for _ in range(_DEEPEST):
        if die is None:
            return f"void{_spaced(inner)}"
        if die.tag in _QUALIFIERS:
            target = type_of(die)
            word = _QUALIFIERS[die.tag]
            if target is None or target.tag not in POINTERS:
                return f"{word} {spelled(target, budget, inner)}"
            inner = f"* {word}{_spaced(inner)}"
            die = type_of(target)
        elif die.tag in POINTERS:
            inner, die = f"*{inner}", type_of(die)
        elif die.tag in REFERENCES:
            inner, die = f"{'&' if die.tag == REFERENCES[0] else '&&'}{inner}", type_of(die)
        elif die.tag == ARRAY:
            inner = f"({inner})" if inner.startswith("*") else inner
            inner += "".join("[]" if each is None else f"[{each}]" for each in dimensions(die, budget))
            die = type_of(die)
        elif die.tag == "DW_TAG_subroutine_type":
            each = [spelled(type_of(child), budget) for child in children_of(die, budget)]
            return f"{spelled(type_of(die), budget)} ({inner})({', '.join(each) or 'void'})"
        elif die.tag in _TRANSPARENT:
            die = type_of(die)
        else:
            break
    return "" if die is None else f"{_tagged(die)}{_spaced(inner)}"


def _spaced(inner: str) -> str:
    return f" {inner}" if inner else ""


def _tagged(die: Any) -> str:
    language = constant_of(die.cu.get_top_DIE(), "DW_AT_language")
    tag = _TAGS.get(die.tag, "") if language in _C else ""
    name = qualified(die)
    return f"{tag}{respelled(name) or '{...}'}"
