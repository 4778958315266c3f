"""The functions between a caller and the one that runs: they have called another instead of returning, and left no
frame. Debug information tells who they were where there is one way alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.call_sites import sites, target_of
from gdbheap.elf.code.scopes import FunctionScope

_FLAGS = ("DW_AT_call_tail_call", "DW_AT_GNU_tail_call")
_RETURNS = ("DW_AT_call_return_pc", "DW_AT_low_pc")
# No chain that one wants to read is longer, and no honest function has more ways out.
_LONGEST = 8
_MOST_STEPS = 200

Function = tuple["FunctionScope", Budget]
Way = tuple["tuple[FunctionScope, int]", ...]
FindFunction = Callable[[str], Optional[Function]]


def tail_calls(site: Any, callee: FunctionScope, find: FindFunction) -> list[tuple[FunctionScope, int]]:
    """Return the functions, the innermost first, each with where (as linked) its last call would return to: those that
    lead from what a call's `site` calls to `callee`. [] where it is `callee` that was called, or nothing tells. `find`
    gives a function by its name."""
    name = target_of(site)
    if not name or name == _name(callee):
        return []
    steps = [_MOST_STEPS]
    ways = list(_ways(name, callee, find, (), steps))
    return list(reversed(ways[0])) if len(ways) == 1 and steps[0] > 0 else []


def _ways(name: str, callee: FunctionScope, find: FindFunction, before: Way, steps: list[int]) -> Iterator[Way]:
    steps[0] -= 1
    found = find(name) if len(before) < _LONGEST and steps[0] > 0 else None
    if found is None or any(_name(each) == _name(found[0]) for each, _ in before):
        return
    function, budget = found
    for site in sites(function.entry, budget):
        if not any(flag in site.attributes for flag in _FLAGS):
            continue
        back = next((site.attributes[each].value for each in _RETURNS if each in site.attributes), None)
        following = target_of(site)
        if back is None or not following:
            continue
        way = (*before, (function, int(back)))
        if following == _name(callee):
            yield way
        else:
            yield from _ways(following, callee, find, way, steps)


def _name(function: FunctionScope) -> str:
    return function.linked or function.name
