"""A Table as HTML: the rows in full, each cell with what it is sorted by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gdbheap.counted import counted
from gdbheap.pictures.svg import escaped
from gdbheap.report.cells import RIGHT, cell_texts
from gdbheap.report.report import Column, Table

# Columns that a person has no use for in a table.
_NOT_SHOWN = frozenset({"facts", "strip"})
# A table of more rows is folded away.
_FEW = 15


def html_table(table: Table, caption: str, most: int, also: Sequence[str] = (), folded: bool = False) -> Iterator[str]:
    """Yield the table of its first `most` rows; nothing where it has none. Columns named in `also` are shown
    though text does without them. A long table is folded away, and one that is to be `folded`."""
    rows = list(map(table.cells_of(), table.rows[:most]))
    if not rows:
        return
    columns = [
        (index, column)
        for index, column in enumerate(table.columns)
        if (column.shown or column.name in also) and column.format not in _NOT_SHOWN and index < len(rows[0])
    ]
    folded = folded or len(rows) > _FEW
    if folded:
        yield f"<details><summary>Table: {counted(len(table.rows), 'row')}</summary>"
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{escaped(caption)}"><table class="sortable">'
    yield f"<caption>{escaped(caption)}</caption><thead><tr>"
    for _, column in columns:
        yield f'<th scope="col"{_class(column)}>{escaped(_heading(column))}</th>'
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(_cell(row[index], column) for index, column in columns)}</tr>"
    yield "</tbody></table></div>"
    if len(table.rows) > len(rows):
        yield f'<p class="dim">{len(table.rows) - len(rows):,} more rows are left out.</p>'
    if folded:
        yield "</details>"


def _heading(column: Column) -> str:
    return column.name.replace("_", " ") if column.heading is None else column.heading


def _class(column: Column) -> str:
    return ' class="number"' if column.format in RIGHT else ""


def _cell(value: Any, column: Column) -> str:
    [text] = cell_texts(column.format, [value])
    key = _key(value)
    order = "" if key is None else f' data-key="{key}"'
    return f"<td{_class(column)}{order}>{escaped(text)}</td>"


def _key(value: Any) -> str | None:
    """Return what a column of numbers is sorted by."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return None
    try:
        return f"{float(value):.17g}" if not isinstance(value, (str, bool)) else None
    except (TypeError, ValueError):
        return None
