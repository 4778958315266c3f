"""How many rows a command shows to people, and what it says of the others: one argument, one setting, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gdbheap.counted import counted
from gdbheap.interface.command import Argument
from gdbheap.report.report import Line

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


def left_out(count: int, noun: str, what: str = "", also: str = "") -> Line:
    """Return the line that stands for so many rows, each one a `noun` ("chunk"; "" where that goes without saying);
    `what` tells more of them ("of 4 KiB"), `also` of another way to see them."""
    more = counted(count, f"more {noun}") if noun else f"{count:,} more"
    return Line.plain(f"… {more}{f' {what}' if what else ''}: --count 0 shows all{also}", "dim")
