"""A Report on its way out: to the terminal, through a pipe, or into a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import BufferedWriter, TextIOWrapper

from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.report.json import json_lines
from gdbheap.report.paint import plain, terminal_paint
from gdbheap.report.printable import printable
from gdbheap.report.report import Report
from gdbheap.report.text import text_lines

# Enough at once that writing costs nothing, little enough that a million rows are never held.
_PIECE = 1 << 16

Write = Callable[[str], object]


def to_screen(report: Report, write: Write, as_json: bool, width: int | None, colour: bool) -> None:
    """Write the report in large pieces. `width` None: nothing is cut."""
    lines = json_lines(report) if as_json else text_lines(report, width, terminal_paint() if colour else plain)
    for piece in _pieces(lines):
        write(piece)


def to_file(report: Report, path: str, as_json: bool) -> str:
    """Write the report to the file, in place of what it held; return a line that says so. UsageError where it cannot
    be written."""
    try:
        with TextIOWrapper(BufferedWriter(open_output(path)), encoding="utf-8") as file:
            file.writelines(json_lines(report) if as_json else text_lines(report))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return f"{counted(len(report.table.rows), 'row')} in {printable(path)}\n"


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
