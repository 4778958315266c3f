"""Many rows at a time, column by column: what a column's format asks is asked once for thousands of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from gdbheap.report.report import Line, Table

# Enough at once that a column's cells are cheap, little enough that they take no memory.
_ROWS = 1 << 12


class RowsInBlocks(Sequence[Any]):
    """Rows that are made many at a time, column by column."""

    def blocks(self) -> Iterator[tuple[Sequence[Sequence[Any]], dict[int, list[Line]]]]:
        """Yield the cells of many rows, a sequence of cells for each of the table's columns; and the lines that stand
        before a row, by its number among these (behind the last: by their count)."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        for columns, lines in self.blocks():
            row = -1
            for row, cells in enumerate(zip(*columns)):
                yield from lines.get(row, ())
                yield cells
            yield from lines.get(row + 1, ())

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]


def published_blocks(table: Table) -> Iterator[list[Any]]:
    """Yield the cells of some thousand rows at a time, a sequence of cells for each column; of published columns
    only."""
    places = [place for place, column in enumerate(table.columns) if column.published]
    if isinstance(table.rows, RowsInBlocks):
        for made, _ in table.rows.blocks():
            yield [made[place] for place in places]
        return
    rows, cells = iter(table.rows), table.cells_of()
    while block := list(map(cells, islice(rows, _ROWS))):
        columns = list(zip(*block))
        yield [columns[place] for place in places]


def displayed_blocks(table: Table) -> Iterator[tuple[list[Any], dict[int, list[Line]]]]:
    """Yield the cells of some thousand rows for people at a time, a sequence of cells for each column that is shown;
    and the lines that stand before a row, by its number among these (behind the last: by their count)."""
    places = [place for place, column in enumerate(table.columns) if column.shown]
    if isinstance(table.displayed, RowsInBlocks):
        for made, lines in table.displayed.blocks():
            yield [made[place] for place in places], lines
        return
    rows, cells = iter(table.displayed), table.cells_of()
    while block := list(islice(rows, _ROWS)):
        lines = {}
        found: list[tuple[Any, ...]] = []
        for row in block:
            if isinstance(row, Line):
                lines.setdefault(len(found), []).append(row)
            else:
                found.append(cells(row))
        columns: Sequence[Any] = list(zip(*found)) if found else [()] * len(table.columns)
        yield [columns[place] for place in places], lines
