"""The functions that an address of code is in, those that were inlined there among them, and their blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.units import ranges_of
from gdbheap.elf.dies import children_of, name_of, referred
from gdbheap.lazy import dataclass

_FUNCTION, _INLINED, _BLOCK = "DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block"
_HOLDS_FUNCTIONS = ("DW_TAG_namespace", "DW_TAG_module", "DW_TAG_structure_type", "DW_TAG_class_type")
_MOST_DEPTH = 64
_ORIGINS = ("DW_AT_abstract_origin", "DW_AT_specification")
_LINKED = ("DW_AT_linkage_name", "DW_AT_MIPS_linkage_name")


@dataclass(frozen=True)
class FunctionScope:
    """A function that code is in. `blocks` are its own entry and those of the blocks in it that the address is in, from
    outside in. `linked` is its name as it is linked ("" none: C), `name` as it is declared."""

    blocks: tuple[Any, ...]
    name: str
    linked: str

    @property
    def entry(self) -> Any:
        return self.blocks[0]

    @property
    def is_inlined(self) -> bool:
        return bool(self.entry.tag == _INLINED)


def scopes_at(unit: Any, address: int, budget: Budget) -> tuple[FunctionScope, ...]:
    """Return the functions of a unit that an address (as linked) is in, the innermost inlined one first; ()."""
    function = next(_functions(unit.get_top_DIE(), address, budget, 0), None)
    if function is None:
        return ()
    found: list[list[Any]] = [[function]]
    here = function
    for _ in range(_MOST_DEPTH):
        inner = next(
            (each for each in children_of(here, budget) if each.tag in (_BLOCK, _INLINED) and _holds(each, address)),
            None,
        )
        if inner is None:
            break
        if inner.tag == _INLINED:
            found.append([inner])
        else:
            found[-1].append(inner)
        here = inner
    return tuple(FunctionScope(tuple(each), *names_of(each[0])) for each in reversed(found))


def _functions(die: Any, address: int, budget: Budget, depth: int) -> Iterator[Any]:
    """Yield the function that an address is in: one at the top of the unit first."""
    outer = []
    for each in children_of(die, budget):
        if each.tag == _FUNCTION and _holds(each, address):
            yield each
        elif each.tag in _HOLDS_FUNCTIONS and depth < _MOST_DEPTH:
            outer.append(each)
    for each in outer:
        yield from _functions(each, address, budget, depth + 1)


def _holds(die: Any, address: int) -> bool:
    return any(low <= address < high for low, high in ranges_of(die))


def origins(die: Any) -> Iterator[Any]:
    """Yield an entry, and those that it is an instance or the definition of."""
    here: Any | None = die
    for _ in range(4):
        if here is None:
            return
        yield here
        here = next((found for name in _ORIGINS if (found := referred(here, name)) is not None), None)


def names_of(die: Any) -> tuple[str, str]:
    """Return an entry's name as it is declared, and as it is linked; "" where it has none."""
    name = linked = ""
    for each in origins(die):
        name = name or name_of(each)
        for attribute in _LINKED:
            if not linked and attribute in each.attributes:
                linked = each.attributes[attribute].value.decode("utf-8", "replace")
    return name, linked
