"""A Report on its way out: to the terminal, through a pipe, or into a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from io import BufferedWriter, TextIOWrapper
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.report.json import json_lines, row_lines
from gdbheap.report.paint import Paint, plain, terminal_paint
from gdbheap.report.printable import printable
from gdbheap.report.report import Report
from gdbheap.report.text import text_lines

# Enough at once that writing costs nothing, little enough that a million rows are never held.
_PIECE = 1 << 16

Write = Callable[[str], object]
# The file that is none: standard output.
STANDARD_OUTPUT = "-"


class OutputForm(Enum):
    """How an answer is written."""

    TEXT = auto()
    JSON = auto()
    JSON_LINES = auto()


def form_of(arguments: Mapping[str, Any]) -> OutputForm:
    """Return the form that a command's arguments ask for."""
    return (
        OutputForm.JSON_LINES if arguments["json_lines"] else OutputForm.JSON if arguments["json"] else OutputForm.TEXT
    )


def to_screen(report: Report, write: Write, form: OutputForm, width: int | None, colour: bool) -> None:
    """Write the report in large pieces. `width` None: nothing is cut."""
    for piece in _pieces(_lines(report, form, width, terminal_paint() if colour else plain)):
        write(piece)


def to_file(report: Report, path: str, form: OutputForm) -> str:
    """Write the report to the file, in place of what it held; return a line that says so. UsageError where it cannot
    be written."""
    try:
        with TextIOWrapper(BufferedWriter(open_output(path)), encoding="utf-8") as file:
            file.writelines(_lines(report, form))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return f"{counted(len(report.table.rows), 'row')} in {printable(path)}\n"


def _lines(report: Report, form: OutputForm, width: int | None = None, paint: Paint = plain) -> Iterator[str]:
    if report.document is not None:
        return iter(report.document)
    if form is OutputForm.TEXT:
        return text_lines(report, width, paint)
    return json_lines(report) if form is OutputForm.JSON else row_lines(report)


def _pieces(lines: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _PIECE:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)
