"""The sections of `heap report`'s page: each is one command's answer, with the picture that goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.pictures.html_table import html_table
from gdbheap.pictures.page import Figure, Section
from gdbheap.report.report import Faults, Line, Prose, Report, Table
from gdbheap.report.report import Section as SectionOfReport

_MOST_TABLE = 200


def section(name: str, title: str, report: Report, figures: Sequence[Figure] = ()) -> Section:
    """Return the section of an answer: what it says in lines, the pictures, the rows."""
    lines = [line for each in report.sections for line in _lines(each)]
    alone = any(isinstance(each, Table) and any(_lines(each)) for each in report.sections)
    caption = f"{title}: the rows of {report.command}"
    table = "".join(html_table(report.table, caption, _MOST_TABLE, ("kind",), alone))
    return Section(name, title, tuple(filter(None, lines)), tuple(figures), (table,) if table else (), report.notes)


def _lines(part: SectionOfReport) -> Iterator[str]:
    """Yield the lines of a part of a report; of a table those that it shows to people instead of rows."""
    if isinstance(part, Prose):
        yield from map(_text, part.lines)
    elif isinstance(part, Faults) and part.shown:
        yield from (f"fault at {each.address:#x}: {each.message}" for each in part.found)
    elif isinstance(part, Table) and all(isinstance(each, Line) for each in part.displayed):
        yield from map(_text, part.displayed)


def _text(line: str | Line) -> str:
    return line if isinstance(line, str) else "".join(text for _, text in line.pieces).rstrip()
