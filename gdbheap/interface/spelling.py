"""How gdbheap spells its commands in what it says: `heap chunks`, or `gdbheap heap chunks` where another plugin has the
name `heap`.

In sentences, backticks enclose what can be typed as it stands; in reports, pieces and columns with the token
"command" are such lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gdbheap.interface.prefix import PREFIX
from gdbheap.lazy import dataclass, regex
from gdbheap.report.report import Column, Line, Prose, Report, Section, Table

_TYPED = regex(r"`([a-z][^`\n]*)`")


@dataclass(frozen=True)
class Spelling:
    """`taken` are the first words of commands that only work behind PREFIX."""

    taken: frozenset[str] = frozenset()

    def line(self, line: str) -> str:
        """Return a command line as it works."""
        return f"{PREFIX} {line}" if line.split(" ", 1)[0] in self.taken else line

    def sentence(self, text: str) -> str:
        """Return the text with what it encloses in backticks as it works."""
        return _TYPED.sub(lambda match: f"`{self.line(match[1])}`", text) if self.taken else text

    def report(self, report: Report) -> Report:
        """Return the report with every command in it as it works. Rows that are made as they are asked for hold
        none."""
        if not self.taken:
            return report
        return replace(
            report,
            sections=tuple(map(self._section, report.sections)),
            notes=tuple(map(self.sentence, report.notes)),
            next=tuple(replace(each, command=self.line(each.command)) for each in report.next),
        )

    def _section(self, section: Section) -> Section:
        if isinstance(section, Prose):
            return Prose(tuple(map(self._line, section.lines)))
        if isinstance(section, Table):
            display = None if section.display is None else self._rows(section, section.display)
            return replace(section, rows=self._rows(section, section.rows), display=display)
        return section

    def _rows(self, table: Table, rows: Sequence[Any]) -> Sequence[Any]:
        if not isinstance(rows, (list, tuple)):
            return rows
        cells = table.cells_of()
        return [self._line(row) if isinstance(row, Line) else self._cells(table.columns, cells(row)) for row in rows]

    def _cells(self, columns: tuple[Column, ...], row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(self._cell(column, value) for column, value in zip(columns, row))

    def _cell(self, column: Column, value: Any) -> Any:
        spell = self.line if column.token == "command" else self.sentence
        if column.format == "texts" and isinstance(value, tuple):
            return tuple(map(spell, value))
        return spell(value) if isinstance(value, str) else value

    def _line(self, line: str | Line) -> str | Line:
        if isinstance(line, str):
            return self.sentence(line)
        return Line(
            tuple(
                (token, self.line(text) if token == "command" else self.sentence(text)) for token, text in line.pieces
            )
        )


AS_NAMED = Spelling()
