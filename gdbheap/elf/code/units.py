"""The compilation unit of an address, and the ranges of code that an entry is about."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.dies import constant_of
from gdbheap.elf.elf_reader import UNPARSABLE, dwarf_in
from gdbheap.elf.types.module_files import debug_files
from gdbheap.elf.unit_ranges import UnitRanges
from gdbheap.process.process import Module

# Of a program of a million entries, every one.
_MOST_STEPS = 5_000_000
_MOST_UNITS = 100_000
_MOST_RANGES = 10_000
_ADDRESS_FORMS = ("DW_FORM_addr", "DW_FORM_addrx", "DW_FORM_GNU_addr_index", "DW_FORM_addrx1", "DW_FORM_addrx2")


class ModuleCode:
    """One module's debug information. What is broken, or takes more `steps` to read, is not there."""

    def __init__(self, module: Module, search: DebugSearch, steps: int = _MOST_STEPS) -> None:
        self.budget = Budget(steps)
        self.dwarf: Any | None = None
        for path in debug_files(module, search):
            try:
                self.dwarf = dwarf_in(path, search, self.budget)
            except UNPARSABLE:
                continue
            if self.dwarf is not None:
                break
        self._ranges: list[tuple[int, int, int]] | None = None
        self._told = None if self.dwarf is None else UnitRanges(self.dwarf)

    def unit_at(self, address: int) -> Any | None:
        """Return the unit that has code at an address (as linked), None where none does; UNPARSABLE."""
        if self.dwarf is None or self._told is None:
            return None
        offset = self._told.unit(address)
        try:
            unit = None if offset is None else self.dwarf.get_CU_at(offset)
        except UNPARSABLE:
            unit = None
        if unit is not None and any(low <= address < high for low, high in ranges_of(unit.get_top_DIE())):
            return unit
        if self._ranges is None:
            self._ranges = sorted(self._all_ranges())
        place = bisect.bisect_right(self._ranges, (address, 1 << 65, 0)) - 1
        if place < 0 or not self._ranges[place][0] <= address < self._ranges[place][1]:
            return None
        return self.dwarf.get_CU_at(self._ranges[place][2])

    def _all_ranges(self) -> Iterator[tuple[int, int, int]]:
        """Yield (low, high, unit) of the units that .debug_aranges does not name. (Each that is looked into takes a
        millisecond, and a libc has thousands.)"""
        assert self.dwarf is not None and self._told is not None
        try:
            for unit in itertools.islice(self.dwarf.iter_CUs(), _MOST_UNITS):
                for low, high in () if unit.cu_offset in self._told.units else ranges_of(unit.get_top_DIE()):
                    yield low, high, unit.cu_offset
        except UNPARSABLE:
            return


def ranges_of(die: Any) -> list[tuple[int, int]]:
    """Return the [low, high) of code, as linked, that an entry is about; UNPARSABLE."""
    low, high = die.attributes.get("DW_AT_low_pc"), die.attributes.get("DW_AT_high_pc")
    if low is not None and high is not None:
        end = high.value if high.form in _ADDRESS_FORMS else low.value + high.value
        return [(low.value, end)] if low.value < end else []
    if "DW_AT_ranges" not in die.attributes:
        return []
    lists = die.cu.dwarfinfo.range_lists()
    if lists is None:
        return []
    base = constant_of(die.cu.get_top_DIE(), "DW_AT_low_pc")
    found = []
    entries = lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, die.cu)
    for each in itertools.islice(entries, _MOST_RANGES):
        if hasattr(each, "base_address"):
            base = each.base_address
            continue
        start = 0 if getattr(each, "is_absolute", False) else base
        if each.begin_offset < each.end_offset:
            found.append((start + each.begin_offset, start + each.end_offset))
    return found
