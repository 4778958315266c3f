"""How many functions were inlined where an address of code is, by debug information alone."""

from __future__ import annotations

from gdbheap.elf.code.scopes import scopes_at
from gdbheap.elf.code.units import ModuleCode
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.process.process import Module

# What is asked of one address has an answer in a moment, or none.
_MOST_STEPS = 200_000


def inlined_at(module: Module, address: int, search: DebugSearch) -> tuple[str, ...]:
    """Return the functions that an address (as linked) is in, the innermost inlined one first, as they are declared; ()
    where no debug information tells."""
    code = ModuleCode(module, search, _MOST_STEPS)
    try:
        unit = code.unit_at(address)
        scopes = () if unit is None else scopes_at(unit, address, code.budget)
    except UNPARSABLE:
        return ()
    return tuple(each.name for each in scopes)
