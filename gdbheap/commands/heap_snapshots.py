"""heap snapshots: which snapshots there are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from gdbheap.analysis.snapshots.snapshot_file import read_facts
from gdbheap.errors import HeapError
from gdbheap.interface.command import Command
from gdbheap.report.report import Column, Line, Prose, Report, Table
from gdbheap.report.rows import PATH
from gdbheap.session.snapshot_store import named_snapshots, path_of
from gdbheap.session.target import Target

_COLUMNS = (
    Column("name", "text"),
    Column("taken", "text"),
    Column("program", "text", "path", gives=PATH),
    Column("pid", "number"),
    Column("blocks", "count"),
    Column("in_use_bytes", "bytes", heading="in use"),
    Column("file", "text", shown=False),
)


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the named snapshots, the oldest first."""
    notes: list[str] = []
    rows = [row for _, row in sorted(_rows(notes))]
    nothing = () if rows or notes else (Line.plain("no snapshots yet: `heap snapshot NAME` takes one"),)
    return Report(
        "heap snapshots",
        (
            Table(_COLUMNS, rows),
            Prose(nothing),
        ),
        notes=tuple(notes),
    )


def _rows(notes: list[str]) -> Iterator[tuple[float, tuple[Any, ...]]]:
    """Yield (seconds since 1970, row); a file that cannot be read becomes a note."""
    for name in named_snapshots():
        path = path_of(name)
        try:
            facts = read_facts(path)
        except HeapError as error:
            notes.append(str(error))
            continue
        program, taken = facts.get("program"), facts.get("time")
        seconds = float(taken) if isinstance(taken, (int, float)) and abs(taken) < 1 << 62 else 0.0
        numbers = (facts.get(key) for key in ("pid", "blocks", "in_use_bytes"))
        row = (
            name,
            _when(seconds),
            program if isinstance(program, str) else None,
            *(each if isinstance(each, int) else None for each in numbers),
            path,
        )
        yield seconds, row


def _when(seconds: float) -> str:
    """Return the local time as people write it; "" for a number that makes no sense."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return ""


COMMAND = Command(
    name="heap snapshots",
    summary="List the snapshots that were taken.",
    run=run,
    examples=(("heap snapshots", "the names that `heap diff` knows"),),
)
