"""One unit's entries, from its first to its last, made into rows. The way leads forward only, so that it ends."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from elftools.common.exceptions import DWARFError

from gdbheap.elf.types.abbreviations import Plan
from gdbheap.elf.types.entries import Entries
from gdbheap.elf.types.forms import uleb
from gdbheap.elf.types.scopes import Scope
from gdbheap.elf.types.units import Unit

_MOST_DEPTH = 200
_FUNCTION = 0x2E


class UnitWalk:
    """Reads the entries of a unit in `data`. `statics` are the places in the section, in order, where a function may
    have a static variable; None: all functions are looked into."""

    def __init__(
        self, data: bytes, unit: Unit, plans: dict[int, Plan], entries: Entries, statics: Sequence[int] | None
    ) -> None:
        self._data, self._unit, self._plans = data, unit, plans
        self._entries, self._statics = entries, statics
        entries.peek = self._peek

    def read_all(self) -> None:
        """Read all entries of the unit; DWARFError, LookupError, struct.error where one is broken."""
        self._read(self._unit.first, self._unit.end)

    def read_function(self, start: int, end: int) -> None:
        """Read the entries of the function that was skipped at `start`, all of them."""
        plan, values = self._peek(self._unit.first)
        self._entries.handlers[plan.tag](plan, values, self._unit.first, Scope())
        self._statics = None
        self._entries.all_functions = True
        self._read(start, end)

    def _read(self, place: int, end: int) -> None:
        data, plans, handlers = self._data, self._plans, self._entries.handlers
        scope = Scope()
        stack: list[Scope] = []
        while place < end:
            at = place
            code = data[place]
            place += 1
            if code > 127:
                code, place = uleb(data, at)
            if code == 0:
                if not stack:
                    return
                scope = stack.pop()
                continue
            plan = plans.get(code)
            if plan is None:
                raise DWARFError(f"an entry has an abbreviation that is not there ({code})")
            unpack = plan.unpack
            if unpack is not None:
                values = unpack(data, place) + plan.constants
                place += plan.size_of_entry
            else:
                values, place = plan.read(data, place)
                values += plan.constants
            handler = handlers.get(plan.tag)
            inner = handler(plan, values, at, scope) if handler is not None else None
            if not plan.children:
                continue
            if inner is None or inner.is_function:
                behind = self._behind(plan, values, place, end)
                if inner is None and plan.tag == _FUNCTION:
                    self._entries.skip(at, behind)
                if inner is None or not self._look_into(at, behind):
                    place = behind
                    continue
                if inner.function < 0:
                    inner = inner._replace(function=self._entries.function_number(plan, values))
            stack.append(scope)
            scope = inner
            if len(stack) > _MOST_DEPTH:
                raise DWARFError("its entries lie too deep in one another")

    def _peek(self, place: int) -> tuple[Plan, tuple[Any, ...]]:
        """Return the plan and values of the entry at a place."""
        code, place = uleb(self._data, place)
        plan = self._plans[code]
        return plan, plan.read(self._data, place)[0] + plan.constants

    def _look_into(self, start: int, end: int) -> bool:
        """Whether the function may have static variables."""
        if self._statics is None:
            return True
        index = bisect_left(self._statics, start)
        if index < len(self._statics) and self._statics[index] < end:
            return True
        self._entries.skip(start, end)
        return False

    def _behind(self, plan: Plan, values: tuple[Any, ...], place: int, end: int) -> int:
        """Return the place behind an entry's children."""
        sibling = values[plan.sibling]
        if sibling is not None and place <= sibling + self._unit.offset <= end:
            return int(sibling) + self._unit.offset
        data, plans, depth = self._data, self._plans, 1
        while depth and place < end:
            code = data[place]
            place += 1
            if code > 127:
                code, place = uleb(data, place - 1)
            if code == 0:
                depth -= 1
                continue
            inner = plans[code]
            place = place + inner.size_of_entry if inner.unpack is not None else inner.read(data, place)[1]
            depth += inner.children
        return place
