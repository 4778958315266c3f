"""What a call has passed in registers, as debug information tells of the call."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.scopes import FunctionScope, names_of
from gdbheap.elf.dies import children_of, referred
from gdbheap.elf.unwind.expression import MemoryPlace, Surroundings, Worth, evaluate
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass

_SITES = ("DW_TAG_call_site", "DW_TAG_GNU_call_site")
_PARAMETERS = ("DW_TAG_call_site_parameter", "DW_TAG_GNU_call_site_parameter")
_BLOCKS = ("DW_TAG_lexical_block", "DW_TAG_inlined_subroutine")
_MOST_SITES = 10_000
_MOST_DEPTH = 64


@dataclass(frozen=True)
class CallSite:
    """A call that has not returned: it is made in the function `caller`, whose frame is `around`, and returns to `back`
    (as linked)."""

    caller: FunctionScope
    back: int
    around: Surroundings
    budget: Budget


def entry_value(call: CallSite, callee: FunctionScope, register: int) -> int | None:
    """Return what a call passed in a register; None where that is not told, or it was not `callee` that was called
    (whom that has called instead of returning)."""
    site = site_of(call)
    if site is None or target_of(site) != (callee.linked or callee.name):
        return None
    for each in itertools.islice(children_of(site, call.budget), _MOST_DEPTH):
        place = each.attributes.get("DW_AT_location")
        if each.tag in _PARAMETERS and place is not None and list(place.value) == [0x50 + register]:
            value = each.attributes.get("DW_AT_call_value") or each.attributes.get("DW_AT_GNU_call_site_value")
            return None if value is None else _value(bytes(value.value), call.around)
    return None


def _value(expression: bytes, around: Surroundings) -> int | None:
    try:
        found = evaluate(expression, around)
    except (MemoryFault, OverflowError):
        return None
    if isinstance(found, MemoryPlace):
        return found.address
    return found.value if isinstance(found, Worth) else None


def site_of(call: CallSite) -> Any | None:
    """Return the entry of a call, None where there is none."""
    return next((each for each in sites(call.caller.entry, call.budget) if _returns_to(each, call.back)), None)


def sites(die: Any, budget: Budget, depth: int = 0) -> Iterator[Any]:
    """Yield the entries of the calls in a function."""
    for each in itertools.islice(children_of(die, budget), _MOST_SITES):
        if each.tag in _SITES:
            yield each
        elif each.tag in _BLOCKS and depth < _MOST_DEPTH:
            yield from sites(each, budget, depth + 1)


def target_of(site: Any) -> str:
    """Return the name, as it is linked, of the function that a call calls; "" where that is not told."""
    origin = referred(site, "DW_AT_call_origin") or referred(site, "DW_AT_abstract_origin")
    if origin is None:
        return ""
    name, linked = names_of(origin)
    return linked or name


def _returns_to(site: Any, back: int) -> bool:
    place = site.attributes.get("DW_AT_call_return_pc") or site.attributes.get("DW_AT_low_pc")
    return place is not None and bool(place.value == back)
