"""The address that an answer offers as an example, for the next command to go on with."""

from __future__ import annotations

from gdbheap.process.address import Address
from gdbheap.report.report import Line, Report

# The columns that have one, the best first.
_COLUMNS = ("example", "mem", "largest", "block", "address", "start")


def example_of(report: Report) -> int | None:
    """Return the address that the answer is about, else the one in the first row that has one; None where there is
    none."""
    if report.example is not None:
        return report.example
    asked = report.facts.get("address")
    if isinstance(asked, Address):
        return int(asked)
    table = report.table
    names = [column.name for column in table.columns]
    places = [names.index(name) for name in _COLUMNS if name in names]
    cells_of = table.cells_of()
    for row in table.rows[:1]:
        cells = cells_of(row)
        for place in places:
            if place < len(cells) and isinstance(cells[place], int):
                return int(cells[place])
    shown = next((row for row in table.displayed[:50] if not isinstance(row, Line)), None)
    if shown is not None:
        cells = cells_of(shown)
        return next((int(cells[each]) for each in places if each < len(cells) and isinstance(cells[each], int)), None)
    return None
