"""heap snapshots: which snapshots there are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from gdbheap.analysis.snapshots.snapshot_file import read_facts
from gdbheap.errors import HeapError
from gdbheap.interface.arguments import as_word
from gdbheap.interface.command import Command
from gdbheap.lazy import dataclass
from gdbheap.report.report import Line, Next, Prose, Report, Table
from gdbheap.report.rows import PATH, column, columns_of
from gdbheap.session.snapshot_store import named_snapshots, path_of
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """A snapshot that there is; what its file does not tell is None."""

    name: str = field(metadata=column())
    taken: str = field(metadata=column())
    program: str | None = field(metadata=column("text", "path", gives=PATH))
    pid: int | None = field(metadata=column("number"))
    blocks: int | None = field(metadata=column("count"))
    in_use_bytes: int | None = field(metadata=column("bytes", heading="in use"))
    file: str = field(metadata=column(shown=False))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """List the named snapshots, the oldest first."""
    notes: list[str] = []
    rows = [row for _, _, row in sorted(_rows(notes), key=lambda each: each[:2])]
    nothing = () if rows or notes else (Line.plain("no snapshots yet: `heap snapshot NAME` takes one"),)
    return Report(
        "heap snapshots",
        (
            Table(columns_of(_Row), rows),
            Prose(nothing),
        ),
        notes=tuple(notes),
        next=tuple(_next(rows)),
    )


def _next(rows: Sequence[_Row]) -> Iterator[Next]:
    """Yield the comparison of the last two of the last one's process, or of it with what is there now."""
    same = [row for row in rows if (row.program, row.pid) == (rows[-1].program, rows[-1].pid)]
    if len(same) > 1:
        yield Next(f"heap diff {as_word(same[-2].name)} {as_word(same[-1].name)}", "what grew between the two")
    elif same:
        yield Next(f"heap diff {as_word(same[-1].name)}", "what has grown since")


def _rows(notes: list[str]) -> Iterator[tuple[float, str, _Row]]:
    """Yield (seconds since 1970, name, row); a file that cannot be read becomes a note."""
    for name in named_snapshots():
        path = path_of(name)
        try:
            facts = read_facts(path)
        except HeapError as error:
            notes.append(str(error))
            continue
        program, taken = facts.get("program"), facts.get("time")
        seconds = float(taken) if isinstance(taken, (int, float)) and abs(taken) < 1 << 62 else 0.0
        pid, blocks, in_use_bytes = (
            each if isinstance(each, int) else None for each in map(facts.get, ("pid", "blocks", "in_use_bytes"))
        )
        row = _Row(
            name=name,
            taken=_when(seconds),
            program=program if isinstance(program, str) else None,
            pid=pid,
            blocks=blocks,
            in_use_bytes=in_use_bytes,
            file=path,
        )
        yield seconds, name, row


def _when(seconds: float) -> str:
    """Return the local time as people write it; "" for a number that makes no sense."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return ""


COMMAND = Command(
    name="heap snapshots",
    summary="List the saved snapshots.",
    run=run,
    examples=(("heap snapshots", "the names that `heap diff` knows"),),
)
