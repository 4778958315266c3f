"""A Report as text: its sections one below the other, in colours where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gdbheap.report.line_text import line_text
from gdbheap.report.paint import Paint, plain
from gdbheap.report.printable import human_size, printable
from gdbheap.report.report import Facts, FaultLine, Line, Next, Prose, Report, Section, Table
from gdbheap.report.table_text import table_lines


def text_lines(report: Report, width: int | None = None, paint: Paint = plain) -> Iterator[str]:
    """Yield the report's lines, each with its line end.

    `width` is the terminal's: tables give way to it (None: nothing is cut). `paint` colours.
    """
    for section in report.sections:
        yield from _section(section, width, paint)
    for note in report.notes:
        yield line_text(Line.plain(f"note: {note}", "note"), width, paint)
    if commands := [each for each in report.next if each.shown]:
        yield line_text(Line(tuple(_next(commands))), width, paint)


def _next(commands: Sequence[Next]) -> Iterator[tuple[str, str]]:
    for number, each in enumerate(commands):
        yield "", ", " if number else "next: "
        yield "command", each.command
        yield "", f" ({each.tells})" if each.tells else ""


def _section(section: Section, width: int | None, paint: Paint) -> Iterator[str]:
    if isinstance(section, Table):
        yield from table_lines(section, width, paint)
    elif isinstance(section, Prose):
        yield from (line_text(line, width, paint) for line in section.lines)
    elif isinstance(section, Facts):
        if section.values and section.shown:
            yield line_text(Line.plain(_totals(section), "total"), width, paint)
    elif section.shown:
        yield from (line_text(_fault(each), width, paint) for each in section.found)


def _totals(facts: Facts) -> str:
    """Return the facts that are numbers or words as one line."""
    said = {name: value for name, value in facts.values.items() if not isinstance(value, dict)}
    pieces = [f"{name.replace('_', ' ')} {_total(name, value)}" for name, value in said.items()]
    return f"total: {', '.join(pieces)}"


def _total(name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, (list, dict)):
        return printable(str(value))
    number = int(value)
    small = not name.endswith(("bytes", "size")) or abs(number) < 1024
    return f"{number:,}" if small else f"{number:,} ({human_size(number)})"


def _fault(fault: FaultLine) -> Line:
    what = ("fault", f"fault at {fault.address:#x}: {fault.message}")
    return Line((what, ("", f": {fault.detail}")) if fault.detail else (what,))
