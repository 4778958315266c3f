"""A Table as text: columns as wide as what is in them, numbers at the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, repeat
from typing import Any

from gdbheap.report.blocks import displayed_blocks
from gdbheap.report.cells import RIGHT, cell_texts
from gdbheap.report.layout import GAP, INDENT, Placed, heading_of, laid_out
from gdbheap.report.line_text import broken_at_words, line_text
from gdbheap.report.paint import Paint, plain
from gdbheap.report.printable import display_width
from gdbheap.report.report import Column, Line, Table, Tokened

# No printable text has it.
_BETWEEN = "\0"


def table_lines(table: Table, width: int | None, paint: Paint) -> Iterator[str]:
    """Yield the lines of a table, each with its line end, those of many rows at once; none where it has no rows. Goes
    over the rows once where nothing is painted, and keeps their cells as text; else twice, keeping none."""
    if not len(table.displayed):
        return
    columns = [column for column in table.columns if column.shown]
    texts = _Texts(columns, paint)
    widths = texts.widths(table)
    layout = laid_out(columns, widths, width) if any(widths) else laid_out(columns, widths, None)
    if any(widths):
        yield from _headings(layout, paint)
    for cells, tokens, lines in texts.blocks(table):
        if not lines:
            yield "".join(_rows(layout, cells, tokens, paint))
            continue
        row = 0
        for row, text in enumerate(_rows(layout, cells, tokens, paint), 1):
            yield from (line_text(line, width, paint) for line in lines.get(row - 1, ()))
            yield text
        yield from (line_text(line, width, paint) for line in lines.get(row, ()))
    if left := _left_out(columns, layout, widths):
        yield line_text(Line.plain(f"… no room for {left}: --json has all", "dim"), width, paint)


def _left_out(columns: Sequence[Column], layout: list[list[Placed]], widths: Sequence[int]) -> str:
    """Return the headings of the columns that have given way altogether, and have something in them."""
    there = {each.number for line in layout for each in line}
    missing = [number for number, width in enumerate(widths) if width and number not in there]
    return ", ".join(heading_of(columns[number]) for number in missing)


class _Texts:
    """The cells of a table as text. To make them may take long, and they are wanted twice: to see how wide they are,
    and to be shown. They are kept as one text for many cells."""

    def __init__(self, columns: Sequence[Column], paint: Paint) -> None:
        self._columns = columns
        self._keeps = paint is plain
        self._kept: list[tuple[list[str], int, dict[int, list[Line]]]] = []

    def widths(self, table: Table) -> list[int]:
        """Return the width of what is in each column; all 0 where every row is a Line."""
        widths = [0] * len(self._columns)
        for cells, lines in displayed_blocks(table):
            texts = self._of(cells)
            widths = [max(width, _widest(column)) for width, column in zip(widths, texts)]
            if self._keeps:
                self._kept.append(([_BETWEEN.join(column) for column in texts], len(cells[0]), lines))
        return widths

    def blocks(self, table: Table) -> Iterator[tuple[list[list[str]], list[list[str]], dict[int, list[Line]]]]:
        """Yield the texts of some thousand rows at a time, by column, what each is to the palette, and the lines that
        stand before a row; once."""
        if self._keeps:
            self._kept.reverse()
            while self._kept:
                kept, count, lines = self._kept.pop()
                texts = [column.split(_BETWEEN) if count else [] for column in kept]
                yield texts, [[""] * count] * len(texts), lines
            return
        for cells, lines in displayed_blocks(table):
            texts = self._of(cells)
            yield texts, [_tokens(*each) for each in zip(self._columns, cells, texts)], lines

    def _of(self, cells: Sequence[Any]) -> list[list[str]]:
        return [cell_texts(column.format, each) for column, each in zip(self._columns, cells)]


def _tokens(column: Column, cells: Sequence[Any], texts: Sequence[str]) -> list[str]:
    """Return what each cell is to the palette."""
    if column.token == "state":
        return [f"state.{text}" for text in texts]
    return [cell.token if isinstance(cell, Tokened) else column.token for cell in cells]


def _widest(texts: list[str]) -> int:
    if _are_ascii(texts):
        return max(map(len, texts), default=0)
    return max(map(display_width, texts))


def _are_ascii(texts: list[str]) -> bool:
    return "".join(texts).isascii()


def _headings(layout: list[list[Placed]], paint: Paint) -> Iterator[str]:
    """Yield the lines of headings, each at the foot of what stands above its column; none where no column has one."""
    for indent, line in zip(_indents(), layout):
        headings = [each.heading() for each in line]
        height = max(map(len, headings))
        cells = [
            _padded([""] * (height - len(heading)) + heading, each, ["heading"] * height, paint)
            for each, heading in zip(line, headings)
        ]
        if any(map(any, headings)):
            yield from (f"{indent}{GAP.join(texts).rstrip(' ')}\n" for texts in zip(*cells))


def _rows(layout: list[list[Placed]], cells: list[list[str]], tokens: list[list[str]], paint: Paint) -> Iterator[str]:
    """Yield each row, with its line ends; `tokens` are what its cells are to the palette."""
    lines = []
    for indent, line in zip(_indents(), layout):
        joined = _joined(line, cells, tokens, paint, len(indent))
        # (What would be a blank line below a row is none.)
        lines.append([f"{indent}{text}\n" if text or not indent else "" for text in joined])
    return iter(lines[0]) if len(lines) == 1 else map("".join, zip(*lines))


def _joined(
    line: list[Placed], cells: list[list[str]], tokens: list[list[str]], paint: Paint, indent: int
) -> Iterator[str]:
    """Yield what stands in one of the lines of each row, without its indent and its end."""
    if paint is plain and not any(each.cut or each.is_wrapped for each in line):
        texts = [cells[each.number] for each in line]
        if all(map(_are_ascii, texts)):
            row = GAP.join(f"%{'' if each.column.format in RIGHT else '-'}{each.width}s" for each in line)
            return map(str.rstrip, map(row.__mod__, zip(*texts)), repeat(" "))
    starts = accumulate((each.width + len(GAP) for each in line), initial=indent)
    columns = [
        _column(each, (cells[each.number], tokens[each.number]), paint, start) for each, start in zip(line, starts)
    ]
    return (GAP.join(texts).rstrip(" ") for texts in zip(*columns))


def _indents() -> Iterator[str]:
    yield ""
    while True:
        yield INDENT


def _column(placed: Placed, cells: tuple[list[str], list[str]], paint: Paint, start: int) -> list[str]:
    """Return the cells of a column (texts, tokens) as they stand in it; those of a wrapped one have line ends, and go
    on at `start`."""
    (texts, tokens), cut = cells, placed.cut
    if cut is not None:
        texts = [cut(text, placed.width) for text in texts]
    if placed.is_wrapped:
        return [_wrapped(text, placed.width, token, paint, start) for text, token in zip(texts, tokens)]
    return _padded(texts, placed, tokens, paint)


def _wrapped(text: str, width: int, token: str, paint: Paint, start: int) -> str:
    return ("\n" + " " * start).join(paint(token, line) for line in broken_at_words(text, width))


def _padded(texts: list[str], placed: Placed, tokens: list[str], paint: Paint) -> list[str]:
    """Return the texts as wide as their column. Colours go inside the padding, so that the columns stay in place."""
    width, right = placed.width, placed.column.format in RIGHT
    if paint is plain and _are_ascii(texts):
        return [text.rjust(width) for text in texts] if right else [text.ljust(width) for text in texts]
    padded = []
    for text, token in zip(texts, tokens):
        padding = " " * (width - display_width(text))
        padded.append(padding + paint(token, text) if right else paint(token, text) + padding)
    return padded
