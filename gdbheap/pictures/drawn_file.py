"""--svg and --dot: an answer's picture in a file, for a text that quotes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.interface.command import Argument
from gdbheap.report.printable import printable
from gdbheap.report.report import Line, Prose, Report

if TYPE_CHECKING:
    from gdbheap.pictures.svg import Svg

SVG = Argument("--svg", "path", "Draw it into this file as well, as SVG.")
DOT = Argument("--dot", "path", "Write who points to whom to this file, for Graphviz.")


def with_svg(report: Report, arguments: Mapping[str, Any], draw: Callable[[], Svg | None]) -> Report:
    """Return the report, with its drawing in the file that the user wants it in, if any, and a line that says so;
    UsageError where that cannot be written."""
    path = arguments.get(SVG.key)
    if not path:
        return report
    svg = draw()
    line = Line.plain("there is nothing to draw", "dim") if svg is None else write_drawing(path, svg.document())
    return replace(report, sections=(*report.sections, Prose((line,))))


def write_drawing(path: str, text: str, viewer: str = "xdg-open") -> Line:
    """Write a drawing to a file and return the line that says so; `viewer` is the command that shows it. UsageError
    where it cannot be written."""
    try:
        with open_output(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return Line.plain(f"drawn in {printable(path)} (`{viewer} {printable(path)}`)", "dim")
