"""--svg and --dot: an answer's picture in a file, for a text that quotes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.errors import UsageError
from gdbheap.files import open_output
from gdbheap.interface.command import Argument
from gdbheap.report.deliver import STANDARD_OUTPUT
from gdbheap.report.printable import printable
from gdbheap.report.report import Line, Prose, Report

if TYPE_CHECKING:
    from gdbheap.pictures.svg import Svg

SVG = Argument("--svg", "path", "Also draw the answer to this file, as SVG (-: to standard output instead).")
DOT = Argument(
    "--dot", "path", "Also write who points to whom to this file, for Graphviz (-: to standard output instead)."
)


def with_svg(report: Report, arguments: Mapping[str, Any], draw: Callable[[], Svg | None]) -> Report:
    """Return the report, with its drawing in the file that the user wants it in, if any, and a line that says so;
    UsageError where that cannot be written."""
    path = arguments.get(SVG.key)
    if not path:
        return report
    svg = draw()
    if path == STANDARD_OUTPUT and svg is not None:
        return in_its_place(report, arguments, (svg.document(),))
    line = Line.plain("there is nothing to draw", "dim") if svg is None else write_drawing(path, svg.document())
    return replace(report, sections=(*report.sections, Prose((line,))))


def in_its_place(report: Report, arguments: Mapping[str, Any], document: Iterable[str]) -> Report:
    """Return the report with a document that goes to standard output in its place; UsageError where something else is
    to go there."""
    if arguments["json"] or arguments["output"]:
        raise UsageError(
            "- is standard output, and only one thing can go there: give --json, --output or the picture a file"
        )
    return replace(report, document=tuple(document))


def write_drawing(path: str, text: str, viewer: str = "xdg-open") -> Line:
    """Write a drawing to a file and return the line that says so; `viewer` is the command that shows it. UsageError
    where it cannot be written."""
    try:
        with open_output(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return Line.plain(f"drawn in {printable(path)} (`{viewer} {printable(path)}`)", "dim")
