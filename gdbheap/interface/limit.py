"""How many rows a command shows to people, and what it says of the others: one argument, one setting, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from gdbheap.counted import counted
from gdbheap.interface.command import Argument, Command
from gdbheap.report.report import Line, Report, Table

if TYPE_CHECKING:
    from gdbheap.session.target import Target

Row = TypeVar("Row")


def count_argument(what: str = "rows") -> Argument:
    """Return the argument that bounds the rows of a command, which it calls `what`."""
    return Argument("--count", "count", f"Show at most this many {what}; 0 shows all.")


def limit_of(target: Target, arguments: Mapping[str, Any]) -> int:
    """Return how many rows are shown: as many as were asked for, else as the user's setting says; 0 for all."""
    asked = arguments["count"]
    limit: int = target.setting("limit") if asked is None else asked
    return limit


def first_of(rows: Sequence[Row], limit: int | None) -> Sequence[Row]:
    """Return the rows that are shown."""
    return rows[:limit] if limit else rows


def rows_wanted(command: Command, arguments: Mapping[str, Any]) -> int | None:
    """Return how many rows a program has asked for; None where it has not, or where the count is of something else
    that the command itself bounds (it has a default then)."""
    counts = any(each.name == "--count" and each.default is None for each in command.arguments)
    wanted: int | None = arguments["count"] if counts else None
    return wanted


def limited(report: Report, count: int | None) -> Report:
    """Return the answer with `count` of its rows for programs (None or 0: with all), and how many are left out."""
    if not count:
        return report
    sections = tuple(_limited(each, count) if isinstance(each, Table) else each for each in report.sections)
    return replace(report, sections=sections)


def _limited(table: Table, count: int) -> Table:
    rows = table.sample(count) if table.sample else table.rows[:count]
    return replace(table, rows=rows, left_out=len(table.rows) - len(rows))


def left_out(count: int, noun: str, what: str = "", also: str = "") -> Line:
    """Return the line that stands for so many rows, each one a `noun` ("chunk"; "" where that goes without saying);
    `what` tells more of them ("of 4 KiB"), `also` of another way to see them."""
    more = counted(count, f"more {noun}") if noun else f"{count:,} more"
    return Line.plain(f"… {more}{f' {what}' if what else ''}: --count 0 shows all{also}", "dim")
