"""What triage says at the end: to a terminal, as JSON, and as a page."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BufferedWriter, TextIOWrapper
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import HeapError
from gdbheap.files import open_output
from gdbheap.pictures.bars_svg import Bar, bars_svg
from gdbheap.pictures.html_table import html_table
from gdbheap.pictures.page import Figure, Section, page
from gdbheap.report.printable import human_size, printable
from gdbheap.report.report import Facts, Line, Prose, Report, Table
from gdbheap.report.rows import columns_of
from gdbheap.triage.row import Row
from gdbheap.triage.summary import GONE, NEW, BuildRow, GroupRow, changes_between_builds, groups_of

PAGE = "index.html"
_MOST_ROWS = 10_000
# So many of the changes between builds are told in lines.
_MOST_CHANGES = 10
_MOST_BARS = 20
_COLOURS = {"crash": "bad", "leak": "free"}


@dataclass(frozen=True)
class Ran:
    """A run: its directory, the rows of the cores that were named, how many of them it had before, and how many it has
    not come to; the bound on the memory of each core, in bytes; what ended the work too early ("": nothing, or the
    user)."""

    directory: str
    rows: Sequence[Row]
    kept: int
    left: int
    memory: int
    ended_by: str = ""


def report_of(ran: Ran) -> Report:
    """Return the answer."""
    groups, changes = groups_of(ran.rows), changes_between_builds(ran.rows)
    totals = _totals(ran, groups)
    return Report(
        "triage",
        (
            Prose(tuple(_headline(ran, groups))),
            Table(columns_of(GroupRow), groups),
            Prose(tuple(_news(changes))),
            Prose(tuple(_end(ran, groups))),
            Facts({**totals, "changes": [asdict(each) for each in changes]}, shown=False),
        ),
    )


def _headline(ran: Ran, groups: Sequence[GroupRow]) -> Iterator[str]:
    causes = [each for each in groups if each.kind != "unread"]
    unread = sum(each.cores for each in groups if each.kind == "unread")
    crashes = sum(each.kind == "crash" for each in causes)
    yield (
        f"{counted(len(ran.rows), 'core')}, {counted(len(causes), 'group')} of one cause each: {crashes} of crashes, "
        f"{len(causes) - crashes} of other cores" + (f"; {counted(unread, 'core')} could not be read" if unread else "")
    )


def _news(changes: Sequence[BuildRow]) -> Iterator[str]:
    """Yield what the newest builds brought and mended."""
    told = [each for each in changes if each.change in (NEW, GONE)]
    for each in told[:_MOST_CHANGES]:
        what = (
            f"new in build {each.build[:12]} of {each.program}"
            if each.change == NEW
            else (f"gone since build {each.build[:12]} of {each.program}")
        )
        yield (
            f"{what}: {printable(each.signature)} ({each.count} of {counted(each.cores, 'core')}; build "
            f"{each.before[:12]} before it: {each.count_before} of {each.cores_before})"
        )
    if len(told) > _MOST_CHANGES:
        yield f"... {len(told) - _MOST_CHANGES} more changes between builds: {PAGE}, or --json"


def _end(ran: Ran, groups: Sequence[GroupRow]) -> Iterator[str | Line]:
    peak = max((row.peak_memory for row in ran.rows), default=0)
    spent = sum(row.cpu_seconds for row in ran.rows)
    each = spent / len(ran.rows) if ran.rows else 0.0
    yield (
        f"{each:.2f} s of processor time for each core; at most {human_size(peak)} of memory for one "
        f"({human_size(ran.memory)} allowed: --memory)"
    )
    if ran.left:
        why = f"{printable(ran.ended_by)}: " if ran.ended_by else ""
        yield f"{why}{counted(ran.left, 'core')} left: the same command goes on from here"
    path = printable(os.path.join(ran.directory, PAGE))
    yield f"rows: {printable(os.path.join(ran.directory, 'rows.jsonl'))}; page: {path}"
    first = next((group for group in groups if group.kind != "unread"), None)
    if first is not None and "://" not in first.exemplar:
        question = {"crash": "fault", "leak": "heap leaks", "growth": "heap retained"}.get(first.kind, "heap")
        core = shlex.quote(printable(first.exemplar))
        yield Line((("", "next: "), ("command", f"python3 -m gdbheap {question} --core {core}")))


def _totals(ran: Ran, groups: Sequence[GroupRow]) -> dict[str, Any]:
    return {
        "cores": len(ran.rows),
        "groups": sum(group.kind != "unread" for group in groups),
        "unread": sum(group.cores for group in groups if group.kind == "unread"),
        "kept": ran.kept,
        "left": ran.left,
        "cpu_seconds": round(sum(row.cpu_seconds for row in ran.rows), 3),
        "peak_memory": max((row.peak_memory for row in ran.rows), default=0),
        "memory": ran.memory,
        "directory": ran.directory,
    }


def write_page(ran: Ran) -> None:
    """Write the page of the run into its directory. HeapError where it cannot be written."""
    path = os.path.join(ran.directory, PAGE)
    groups, changes = groups_of(ran.rows), changes_between_builds(ran.rows)
    facts = {"schema": "gdbheap/1", "command": "triage", "rows": [asdict(each) for each in groups]}
    try:
        with TextIOWrapper(BufferedWriter(open_output(path)), encoding="utf-8", errors="replace") as file:
            file.writelines(page("Triage", _subtitle(ran), _sections(ran, groups, changes), facts))
    except OSError as error:
        raise HeapError(f"cannot write {path}: {error.strerror}") from error


def _subtitle(ran: Ran) -> str:
    return f"{counted(len(ran.rows), 'core')}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"


def _largest(groups: Sequence[GroupRow]) -> Figure:
    """Draw the groups of most cores."""
    causes = [each for each in groups if each.kind != "unread"]
    bars = [Bar(each.signature, ((_COLOURS.get(each.kind, "other"), each.cores),)) for each in causes[:_MOST_BARS]]
    title = f"Cores of each group, the largest {len(bars)} of {len(causes):,}"
    legend = {"bad": "crashes", "free": "leaks", "other": "other cores"}
    return Figure(title, bars_svg(title, bars, legend, lambda cores: counted(cores, "core")))


def _sections(ran: Ran, groups: Sequence[GroupRow], changes: Sequence[BuildRow]) -> list[Section]:
    def section(name: str, title: str, lines: Iterator[Any], table: Table, *figures: Figure) -> Section:
        drawn = "".join(html_table(table, title, _MOST_ROWS, ("first", "last", "group")))
        return Section(name, title, tuple(each for each in lines if isinstance(each, str)), figures, (drawn,))

    found = [
        section(
            "groups",
            "Groups: one cause each",
            _headline(ran, groups),
            Table(columns_of(GroupRow), groups),
            _largest(groups),
        ),
        section("changes", "From build to build", _news(changes), Table(columns_of(BuildRow), changes)),
        section("cores", "Every core", _end(ran, groups), Table(columns_of(Row), ran.rows)),
    ]
    return [each for each in found if each.name != "changes" or changes]
