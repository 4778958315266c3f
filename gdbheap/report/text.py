"""A Report as text: columns as wide as what is in them, numbers at the right, and colours where they are asked for."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gdbheap.process.fault import Fault
from gdbheap.report.cells import RIGHT, cell_text
from gdbheap.report.printable import cut_end, cut_middle, display_width, human_size, printable
from gdbheap.report.report import Column, Line, Report

# Text of a kind (a column's or a Line's token), as it goes to the terminal.
Paint = Callable[[str, str], str]

_GAP = "  "

# Columns that give way on a narrow terminal, the first first: how each is cut, and what it keeps.
_CUT = {"preview": (cut_end, 16), "path": (cut_middle, 12), "type": (cut_middle, 24)}

# The one palette: each kind of thing, in pygments' style words. Colours are the terminal's own sixteen.
PALETTE = {
    "heading": "bold",
    "address": "ansiblue",
    "mem": "ansicyan",
    "size": "",
    "state": "",
    "state.in_use": "bold",
    "state.tcache": "ansigreen",
    "state.fastbin": "ansigreen",
    "state.unsorted": "ansiyellow",
    "state.small": "ansiyellow",
    "state.large": "ansiyellow",
    "state.top": "ansimagenta",
    "state.fencepost": "ansibrightblack",
    "state.malloc_owned": "ansibrightblack",
    "state.unknown": "ansired",
    "path": "ansigreen",
    "permissions": "ansiyellow",
    "preview": "ansibrightblack",
    "symbol": "ansiyellow",
    "type": "ansigreen",
    "command": "bold",
    "dim": "ansibrightblack",
    "total": "bold",
    "note": "ansiyellow",
    "fault": "bold ansired",
    "chunk.0": "ansicyan",
    "chunk.1": "ansimagenta",
    "chunk.2": "ansigreen",
    "chunk.3": "ansiyellow",
}


def plain(token: str, text: str) -> str:
    """Return the text as it is: the Paint for files and pipes."""
    return text


def terminal_paint() -> Paint:
    """Return the Paint that colours by PALETTE for a terminal; `plain` where pygments is not installed."""
    try:
        # Kept out of gdb's start: pygments is loaded when the first coloured line is drawn.
        from pygments.formatters.terminal256 import Terminal256Formatter
        from pygments.style import Style
        from pygments.token import Token
    except ModuleNotFoundError:
        return plain
    tokens = {name: getattr(Token.Gdbheap, "".join(map(str.capitalize, re.split(r"\W|_", name)))) for name in PALETTE}
    style = type("HeapStyle", (Style,), {"styles": {tokens[name]: words for name, words in PALETTE.items()}})
    formatter = Terminal256Formatter(style=style)
    around: dict[str, tuple[str, str]] = {}
    for name, token in tokens.items():
        out = io.StringIO()
        formatter.format([(token, "\0")], out)
        before, _, after = out.getvalue().partition("\0")
        around[name] = before, after

    def paint(token: str, text: str) -> str:
        before, after = around.get(token, ("", ""))
        return f"{before}{text}{after}" if text else text

    return paint


def text_lines(report: Report, width: int | None = None, paint: Paint = plain) -> Iterator[str]:
    """Yield the report's lines, each with its line end.

    `width` is the terminal's: paths and previews are cut to it (None: nothing is cut). `paint` colours.
    """
    for line in report.before:
        yield _line(line, paint)
    yield from _table(report, width, paint)
    for line in report.after:
        yield _line(line, paint)
    if report.totals and report.totals_shown:
        yield _totals(report, paint)
    for fault in () if report.faults_displayed else report.faults:
        yield _fault(fault, paint)
    for note in report.notes:
        yield paint("note", f"note: {printable(note)}") + "\n"


def _table(report: Report, width: int | None, paint: Paint) -> Iterator[str]:
    rows = report.rows if report.display_rows is None else report.display_rows
    if not len(rows):
        return
    shown = [(index, column) for index, column in enumerate(report.columns) if column.shown]
    widths = _widths(rows, shown)
    if any(widths):
        _narrow(widths, [column for _, column in shown], width)
        headings = [_heading(column) for _, column in shown]
        if any(headings):
            yield _join(headings, widths, [column for _, column in shown], ["heading"] * len(shown), paint)
    for row in rows:
        if isinstance(row, Line):
            yield _line(row, paint)
        else:
            cells = [cell_text(row[index], column.format) for index, column in shown]
            tokens = [_token(column, cell) for (_, column), cell in zip(shown, cells)]
            yield _join(cells, widths, [column for _, column in shown], tokens, paint)


def _heading(column: Column) -> str:
    return column.name.replace("_", " ") if column.heading is None else column.heading


def _token(column: Column, cell: str) -> str:
    return f"state.{cell}" if column.token == "state" else column.token


def _widths(rows: Sequence[Sequence[Any] | Line], shown: list[tuple[int, Column]]) -> list[int]:
    """Return each column's width; all 0 where every row is a Line. Goes over the rows once, keeping none."""
    widths = [0] * len(shown)
    for row in rows:
        if isinstance(row, Line):
            continue
        for place, (index, column) in enumerate(shown):
            size = display_width(cell_text(row[index], column.format))
            if size > widths[place]:
                widths[place] = size
    if any(widths):
        return [max(size, display_width(_heading(column))) for size, (_, column) in zip(widths, shown)]
    return widths


def _narrow(widths: list[int], columns: list[Column], width: int | None) -> None:
    """Take from the columns that may give way what the line has too much."""
    if width is None:
        return
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    for token, (_, shortest) in _CUT.items():
        for place, column in enumerate(columns):
            if excess > 0 and column.token == token:
                taken = min(excess, max(widths[place] - shortest, 0))
                widths[place] -= taken
                excess -= taken


def _join(cells: list[str], widths: list[int], columns: list[Column], tokens: list[str], paint: Paint) -> str:
    """Return one line of the table. Colours go inside the padding, so that the columns stay in place."""
    pieces = []
    last = max((place for place, cell in enumerate(cells) if cell), default=-1)
    for place in range(last + 1):
        cell = cells[place]
        if columns[place].token in _CUT:
            cell = _CUT[columns[place].token][0](cell, widths[place])
        padding = " " * (widths[place] - display_width(cell))
        painted = paint(tokens[place], cell)
        right = columns[place].format in RIGHT
        pieces.append(padding + painted if right else painted if place == last else painted + padding)
    return _GAP.join(pieces) + "\n"


def _line(line: str | Line, paint: Paint) -> str:
    if isinstance(line, str):
        return printable(line) + "\n"
    return "".join(paint(token, printable(text)) for token, text in line.pieces).rstrip(" ") + "\n"


def _totals(report: Report, paint: Paint) -> str:
    plain_totals = {name: value for name, value in report.totals.items() if not isinstance(value, dict)}
    pieces = [f"{name.replace('_', ' ')} {_total(name, value)}" for name, value in plain_totals.items()]
    return paint("total", f"total: {', '.join(pieces)}") + "\n"


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


def _fault(fault: Fault, paint: Paint) -> str:
    detail = f": {printable(fault.detail)}" if fault.detail else ""
    return paint("fault", f"fault at {fault.address:#x}: {printable(fault.message)}") + detail + "\n"
