"""A line of prose as text, broken at words where the terminal is narrower than it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.lazy import regex
from gdbheap.report.paint import Paint
from gdbheap.report.printable import display_width, printable
from gdbheap.report.report import Line

# How far in what goes on stands, beyond the line's own first word.
_HANGING = 2
# Where a word may be broken that is too long for any line: the names of types of C++ are, and paths.
_WITHIN = regex(r"(?:[^:<,/]|:(?!:))+(?:::|[<,]+|/)?|[:<,/]+")
# Where a line may be broken: between words, but within no command (which stands in backticks), and not between a number
# and its unit.
_PARTS = regex(r" +|[^ `]*`[^`]*`[^ `]*|[^ `]*\d (?:[KMGTPE]i)?B\b[^ `]*|[^ `]+|`")


def line_text(line: str | Line, width: int | None, paint: Paint) -> str:
    """Return a line with its line end; lines, where it is wider than the terminal."""
    pieces = (
        [("", printable(line))] if isinstance(line, str) else [(token, printable(text)) for token, text in line.pieces]
    )
    text = "".join(text for _, text in pieces)
    if width is not None and display_width(text) > width:
        pieces = list(_broken(pieces, text, width))
    written = "".join(paint(token, text) for token, text in pieces)
    return (written if isinstance(line, str) else written.rstrip(" ")) + "\n"


def broken_at_words(text: str, width: int) -> list[str]:
    """Return the text in lines of at most `width` columns; a word too long for any line stays whole, unless it is a
    name of C++ or a path."""
    lines = [""]
    for part in _short(_PARTS.findall(text), width, ("::", "/")):
        if lines[-1] and not part.isspace() and display_width(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part if lines[-1] or not part.isspace() else ""
    return [line.rstrip(" ") for line in lines]


def _broken(pieces: list[tuple[str, str]], text: str, width: int) -> Iterator[tuple[str, str]]:
    """Yield the pieces with line ends in them, each before the word that would go beyond the terminal's edge; a word
    too long for any line stays whole, unless it is a name of C++."""
    indent = min(len(text) - len(text.lstrip(" ")) + _HANGING, width // 2)
    used, blanks = 0, ""
    for token, part in _parts(pieces, width - indent):
        if part.isspace():
            blanks += part
            continue
        size = display_width(part)
        if used > indent and used + len(blanks) + size > width:
            yield "", "\n" + " " * indent
            used, blanks = indent, ""
        yield token, blanks + part
        used += len(blanks) + size
        blanks = ""


def _parts(pieces: list[tuple[str, str]], width: int) -> Iterator[tuple[str, str]]:
    for token, text in pieces:
        if token in ("command", "later"):
            yield token, text
        else:
            yield from ((token, part) for part in _short(_PARTS.findall(text), width))


def _short(parts: Iterable[str], width: int, joints: Iterable[str] = ("::",)) -> Iterator[str]:
    """Yield the parts, those too long for a line by what they are made of, where they have one of the joints."""
    for part in parts:
        is_long = "`" not in part and display_width(part) > width
        yield from _WITHIN.findall(part) if is_long and any(map(part.__contains__, joints)) else (part,)
