"""What the rows of many cores add up to: groups of one cause, and what a build brought or mended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gdbheap.report.printable import cut_middle
from gdbheap.report.report import GivesWay
from gdbheap.report.rows import PATH, column, goes
from gdbheap.triage.row import Row
from gdbheap.triage.signature import family

_SURENESS = ("certain", "likely", "possible", "unknown")
NEW, GONE, MORE, FEWER, SAME = "new", "gone", "more", "fewer", "same"


@dataclass(frozen=True)
class GroupRow:
    """Cores of one cause. `sure` is that of the least sure; `exemplar` is the smallest that was read whole."""

    cores: int = field(metadata=column("count"))
    kind: str = field(metadata=column("label"))
    sure: str = field(metadata=column())
    signature: str = field(metadata=column("text", "symbol", gives=(GivesWay(20, 32, cut_middle),)))
    programs: Sequence[str] = field(metadata=column("texts", shown=False))
    builds: int = field(metadata=column("count", gives=goes(6)))
    first: str = field(metadata=column("text", gives=goes(5)))
    last: str = field(metadata=column("text", gives=goes(7)))
    exemplar: str = field(metadata=column("text", "path", gives=PATH))
    group: str = field(metadata=column("text", gives=goes(4)))
    errors: int = field(metadata=column("count", shown=False))


@dataclass(frozen=True)
class BuildRow:
    """A group in a build of a program: `count` of the build's `cores`, and of the build before it. `change` is "new"
    (no build before had it), "gone", "more", "fewer" (by share) or "same"."""

    program: str = field(metadata=column("text", "path"))
    build: str = field(metadata=column("text"))
    before: str = field(metadata=column("text"))
    change: str = field(metadata=column("label"))
    count: int = field(metadata=column("count"))
    cores: int = field(metadata=column("count"))
    count_before: int = field(metadata=column("count"))
    cores_before: int = field(metadata=column("count"))
    signature: str = field(metadata=column("text", "symbol"))
    group: str = field(metadata=column("text"))


def groups_of(rows: Sequence[Row]) -> list[GroupRow]:
    """Return the groups, those of most cores first; what was not read comes last."""
    by_group: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_group[row.group].append(row)
    found = [_group(each) for each in by_group.values()]
    return sorted(found, key=lambda group: (group.kind == "unread", -group.cores, group.signature, group.group))


def _group(rows: list[Row]) -> GroupRow:
    times = sorted(row.time for row in rows if row.time)
    exemplar = min(rows, key=lambda row: (len(row.errors), row.size, row.core))
    return GroupRow(
        cores=len(rows),
        kind=exemplar.kind,
        sure=max((row.sure for row in rows), key=_SURENESS.index),
        signature=exemplar.signature,
        programs=sorted({row.program for row in rows if row.program}),
        builds=len({row.build for row in rows if row.build}),
        first=times[0] if times else "",
        last=times[-1] if times else "",
        exemplar=exemplar.core,
        group=exemplar.group,
        errors=sum(bool(row.errors) for row in rows),
    )


def changes_between_builds(rows: Sequence[Row]) -> list[BuildRow]:
    """Return what each build of a program brought and mended, in the order in which the builds were first seen; those
    of programs of which there is one build are not told. Builds are told apart by build-id."""
    by_program: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.build and row.kind != "unread":
            by_program[family(row.program)].append(row)
    return [change for name in sorted(by_program) for change in _changes(name, by_program[name])]


def _changes(program: str, rows: list[Row]) -> Iterator[BuildRow]:
    signatures = {row.group: row.signature for row in rows}
    builds: dict[str, Counter[str]] = {}
    for row in sorted(rows, key=lambda row: row.time):
        builds.setdefault(row.build, Counter())[row.group] += 1
    seen: set[str] = set()
    before = ""
    for build, counts in builds.items():
        if before:
            earlier = builds[before]
            for group in sorted(counts.keys() | earlier.keys(), key=lambda group: (-counts[group], group)):
                change = _change(group, counts, earlier, seen)
                yield BuildRow(
                    program,
                    build,
                    before,
                    change,
                    counts[group],
                    sum(counts.values()),
                    earlier[group],
                    sum(earlier.values()),
                    signatures[group],
                    group,
                )
        seen |= counts.keys()
        before = build


def _change(group: str, counts: Counter[str], earlier: Counter[str], seen: set[str]) -> str:
    if group not in seen:
        return NEW
    if not counts[group]:
        return GONE
    share, past = counts[group] * sum(earlier.values()), earlier[group] * sum(counts.values())
    return MORE if share > past else FEWER if share < past else SAME
