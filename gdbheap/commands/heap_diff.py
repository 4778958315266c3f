"""heap diff: what came, went and grew between two snapshots, and what grew steadily over three."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.snapshots.growth import LOST, HolderGrowth, holder_growth
from gdbheap.analysis.snapshots.snapshot import GroupDifference, GroupSurvivors, Snapshot, came, compare, survivors
from gdbheap.counted import counted
from gdbheap.errors import UsageError
from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, first_of, left_out, limit_of
from gdbheap.pictures.drawn_answers import growth_svg
from gdbheap.pictures.drawn_file import SVG, with_svg
from gdbheap.report.printable import human_size
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.session.snapshot_store import load_all, snapshot_now
from gdbheap.session.target import Target
from gdbheap.tables.growth_places import (
    DifferenceRow,
    DiffPlaces,
    GrowthRow,
    SurvivorRow,
    alive_now,
    for_people,
    growth_lines,
)
from gdbheap.tables.growth_places import columns as growth_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.lazy import np


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Compare snapshots by name or path; one alone with the heap as it is now. With two or three no process is
    needed."""
    names = [arguments[key] for key in ("a", "b", "c") if arguments[key]]
    limit = limit_of(target, arguments)
    snapshots = load_all(names)
    if len(names) == 1:
        holders = snapshots[0].holder is not None
        now = snapshot_now(target, time.monotonic(), holders)
        report = _report([*names, "now"], [*snapshots, now], limit, None)
    else:
        report = _report(names, snapshots, limit, alive_now(target, snapshots[-1]))
    return with_svg(report, arguments, lambda: growth_svg(report))


def diff_report(names: Sequence[str], limit: int | None) -> Report:
    """Return the differences of two or three snapshots, named or given by path; `limit` cuts the rows for people (0
    or None: none)."""
    if not 2 <= len(names) <= 3:
        raise UsageError(f"heap diff takes two or three snapshots, not {len(names)}")
    snapshots = load_all(names)
    report = _report(names, snapshots, limit, None)
    return replace(report, next=tuple(_in_a_shell(snapshots[-1], report.next)))


def _in_a_shell(last: Snapshot, commands: Sequence[Next]) -> Iterator[Next]:
    """Yield the commands as they are typed outside gdb, where the process is there still."""
    pid, program = last.facts.get("pid"), last.facts.get("program")
    try:
        is_there = isinstance(pid, int) and bool(program) and os.readlink(f"/proc/{pid}/exe") == program
    except OSError:
        is_there = False
    if is_there:
        for each in commands:
            yield replace(each, command=f"python3 -m gdbheap attach {pid} --do {shlex.quote(each.command)}")


def growth(report: Report) -> int:
    """Return by how many bytes the heap of a diff_report() grew: steadily, of three snapshots."""
    return int(report.facts["grown_bytes" if "grown_bytes" in report.facts else "steady_bytes"])


def _report(
    names: Sequence[str], snapshots: Sequence[Snapshot], limit: int | None, alive: NDArray[np.bool_] | None
) -> Report:
    before = tuple(_line(name, each) for name, each in zip(names, snapshots))
    last, new = snapshots[-1], came(snapshots[-2], snapshots[-1])
    grown = holder_growth(snapshots, new if len(snapshots) == 2 else came(snapshots[0], last))
    places = DiffPlaces(last, new, alive, grown)
    kind: type[GrowthRow] = DifferenceRow if len(snapshots) == 2 else SurvivorRow
    rows: Sequence[GrowthRow]
    changed: Sequence[GrowthRow]
    if len(snapshots) == 2:
        differences = [_difference_row(group, places) for group in compare(*snapshots)]
        rows, changed = differences, [row for row in differences if row.grown_bytes or row.appeared or row.vanished]
        totals = {
            "grown_bytes": sum(row.grown_bytes for row in differences),
            "appeared": sum(row.appeared for row in differences),
            "vanished": sum(row.vanished for row in differences),
        }
    else:
        survived = [_survivor_row(group, places) for group in survivors(*snapshots)]
        rows, changed = survived, [row for row in survived if row.born_first or row.born_second]
        totals = {"steady_bytes": sum(row.steady_bytes for row in survived)}
    example = next((row.example for row in changed if isinstance(row.example, int)), None)
    return Report(
        "heap diff",
        (
            Prose(before),
            Table(growth_columns(kind, last), rows, _displayed(changed, limit)),
            Prose(tuple(growth_lines(grown))),
            Facts(totals),
        ),
        notes=tuple(_notes(names, snapshots)),
        next=tuple(_next(grown, example)),
    )


def _next(grown: Sequence[HolderGrowth], example: int | None) -> Iterator[Next]:
    """Yield how to look closer at the holder that grew most (steadily, of three snapshots), at what is lost, and at
    the first example."""
    holders = [each.holder for each in grown]
    if holders and holders[0]:
        yield Next(f"heap retained {holders[0]}", "what it keeps alive")
    if LOST in holders:
        yield Next("heap leaks", "what is lost")
    if example is not None:
        yield Next(f"heap owners {example:#x}", "who points to the first example")


def _displayed(changed: Sequence[GrowthRow], limit: int | None) -> list[GrowthRow | Line]:
    shown: list[GrowthRow | Line] = [for_people(row) for row in first_of(changed, limit)]
    if len(shown) < len(changed):
        shown.append(left_out(len(changed) - len(shown), "group"))
    return shown or [Line.plain("nothing has changed")]


def _line(name: str, snapshot: Snapshot) -> str:
    return f"{name}: {counted(len(snapshot), 'block')}, {human_size(int(snapshot.size.sum()))}"


def _difference_row(group: GroupDifference, places: DiffPlaces) -> DifferenceRow:
    return DifferenceRow(
        group.grown_bytes,
        group.count_before,
        group.count_after,
        group.appeared,
        group.vanished,
        group.chunk_size,
        group.what,
        **vars(places.place(group.what, group.chunk_size)),
    )


def _survivor_row(group: GroupSurvivors, places: DiffPlaces) -> SurvivorRow:
    return SurvivorRow(
        group.steady_bytes,
        group.old,
        group.born_first,
        group.born_second,
        group.chunk_size,
        group.what,
        **vars(places.place(group.what, group.chunk_size)),
    )


def _notes(names: Sequence[str], snapshots: Sequence[Snapshot]) -> list[str]:
    notes = []
    if len({(str(each.facts.get("program")), str(each.facts.get("pid"))) for each in snapshots}) > 1:
        notes.append(
            "the snapshots are of different processes: blocks are matched by address, so what appeared and vanished "
            "means little"
        )
    for name, each in zip(names, snapshots):
        if each.facts.get("complete") is False:
            notes.append(f"{name} was taken of a heap whose walk was cut short")
    return notes


COMMAND = Command(
    name="heap diff",
    summary="Show what was allocated, freed and grew between two or three snapshots, or since one.",
    description=(
        "Blocks are grouped as in `heap leaks`: by type, or by size and first contents. A block at the same address "
        "and of the same size in both snapshots counts as the same block, in the row of what it is now, unless its "
        "C++ class has changed.\n"
        "With three snapshots, the blocks of the last one are counted: those present in all three, those that were "
        "new in B and are still there, and those that are new in C. Growth in both intervals is steady growth; growth "
        "in the first interval alone is probably warm-up. The "
        "holders that grew in both come first."
    ),
    run=run,
    arguments=(
        Argument("A", "snapshot", "The first snapshot: a name, or a path (with a /).", required=True),
        Argument("B", "snapshot", "The second; without it, the heap as it is now."),
        Argument("C", "snapshot", "The third, if any."),
        count_argument(),
        SVG,
    ),
    examples=(
        ("heap diff before", "what has grown since the snapshot called before"),
        ("heap diff before after", "what grew between two snapshots"),
        ("heap diff start warm later", "what grows steadily, as opposed to while the program warmed up"),
    ),
)
