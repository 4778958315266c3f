"""The answer of `python3 -m gdbheap leaks PROGRAM`: what was seen of each process, held against what counts as a leak
and what is suppressed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gdbheap.counted import counted
from gdbheap.launch.suppressions import Suppression, Suppressions
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Facts, FaultLine, Faults, Line, Prose, Report, Table
from gdbheap.report.rows import column, columns_of

KINDS = ("definite", "indirect", "possible", "reachable")
DEFAULT_KINDS = ("definite", "possible")
NO_LEAKS, LEAKS, TROUBLE = 0, 1, 2

_LABELS = {
    "definite": "definitely_lost",
    "indirect": "indirectly_lost",
    "possible": "possibly_lost",
    "reachable": "still_reachable",
}


@dataclass(frozen=True)
class _Row:
    """A group of lost blocks of a process."""

    pid: int = field(metadata=column("number"))
    kind: str = field(metadata=column())
    count: int = field(metadata=column("count"))
    bytes: int = field(metadata=column("bytes"))
    hanging_count: int = field(metadata=column("count", heading="hanging"))
    hanging_bytes: int = field(metadata=column("bytes", heading=""))
    chunk_size: int = field(metadata=column("size", "size"))
    what: str = field(metadata=column("text", "symbol"))
    example: int = field(metadata=column("address", "mem", shown=False))
    text: str | Absent = field(metadata=column(shown=False))
    suppressed_by: str | Absent = field(metadata=column(shown=False))
    module: str | Absent = field(metadata=column(shown=False))
    holder: str | Absent = field(metadata=column(shown=False))


def gate_answer(
    processes: Sequence[dict[str, Any]], error: str, kinds: Sequence[str], suppressions: Suppressions
) -> tuple[Report, int]:
    """Return the answer and the exit status (NO_LEAKS, LEAKS, TROUBLE) of what run_gate() saw; `kinds` (of KINDS) count
    as leaks."""
    wanted = {_LABELS[each] for each in kinds}
    rows: list[_Row] = []
    used: dict[Suppression, list[int]] = {}
    totals: dict[str, Any] = {"processes": []}
    faults: list[FaultLine] = []
    notes: list[str] = []
    for process in processes:
        leaks = process["leaks"] or {"rows": [], "totals": {}, "notes": [], "faults": []}
        for row in leaks["rows"]:
            if row["kind"] not in wanted or _hangs(row, kinds):
                continue
            by = suppressions.match(row)
            if by is not None:
                tally = used.setdefault(by, [0, 0])
                tally[0] += row["count"] + row["hanging_count"]
                tally[1] += row["bytes"] + row["hanging_bytes"]
            rows.append(_row(process["pid"], row, by))
        notes += [each for each in leaks["notes"] if each not in notes]
        faults += [
            FaultLine(int(each["address"], 16), each["message"], each["detail"], each["invariant"], each["facts"])
            for each in leaks["faults"]
        ]
        totals["processes"].append({**process, "leaks": leaks["totals"]})
    leaked = [row for row in rows if row.suppressed_by is ABSENT]
    blind = bool(error) or any(each["trouble"] for each in processes) or not processes
    totals |= {
        "is_complete": not blind,
        "error": error or None,
        "leaked_blocks": sum(row.count + row.hanging_count for row in leaked),
        "leaked_bytes": sum(row.bytes + row.hanging_bytes for row in leaked),
        "suppressions": [{"name": by.name, "blocks": count, "bytes": size} for by, (count, size) in used.items()],
        "suppressions_not_applied": [each.name for each in suppressions.by_stack],
    }
    report = Report(
        "leaks",
        (
            Prose(tuple(_ends(processes, error))),
            Table(columns_of(_Row), rows, leaked),
            Prose(tuple(_summary(suppressions, totals, used))),
            Facts(totals, shown=False),
            Faults(tuple(faults)),
        ),
        notes=tuple(notes),
    )
    return report, LEAKS if leaked else TROUBLE if blind else NO_LEAKS


def _hangs(row: dict[str, Any], kinds: Sequence[str]) -> bool:
    """Whether these blocks are lost because others are, with which they are counted."""
    if row["kind"] == "possibly_lost":
        return row["offset"] is None
    return row["kind"] == "indirectly_lost" and "definite" in kinds


def _row(pid: int, row: dict[str, Any], by: Suppression | None) -> _Row:
    return _Row(
        pid=pid,
        kind=row["kind"],
        count=row["count"],
        bytes=row["bytes"],
        hanging_count=row["hanging_count"],
        hanging_bytes=row["hanging_bytes"],
        chunk_size=row["chunk_size"],
        what=f'text: "{row["text"]}"' if row["text"] else row["what"],
        example=int(row["example"], 16),
        text=row["text"] or ABSENT,
        suppressed_by=ABSENT if by is None else by.name,
        module=row["module"] or ABSENT,
        holder=row["holder"] or ABSENT,
    )


def _ends(processes: Sequence[dict[str, Any]], error: str) -> Iterator[Line]:
    """Yield a line for each process: how it ended, and what could not be seen."""
    for each in processes:
        name = os.path.basename(each["program"]) or "the program"
        if each["of_vfork"]:
            name = "a child of vfork, in its parent's memory"
        yield Line.plain(f"{name} (process {each['pid']}) {_end(each['end'])}", "heading")
        if each["trouble"]:
            yield Line.plain(f"  its leaks are unknown: {each['trouble']}")
    if error:
        yield Line.plain(f"what followed is unknown: gdb said {error!r}", "heading")
    elif not processes:
        yield Line.plain("the program was not seen to end", "heading")


def _end(end: dict[str, Any]) -> str:
    if end["kind"] == "exec":
        return f"became {end.get('program') or 'another program'} by exec"
    if end["kind"] == "signal":
        return f"was ended by {end.get('signal') or 'a signal'}"
    return f"exited with status {end.get('status', 'unknown')}"


def _summary(suppressions: Suppressions, totals: dict[str, Any], used: dict[Suppression, list[int]]) -> Iterator[Line]:
    count, size = totals["leaked_blocks"], totals["leaked_bytes"]
    if count:
        yield Line.plain(f"leaked: {counted(count, 'block')}, {human_size(size)} (chunk headers included)", "total")
    else:
        yield Line.plain("no leaks" if totals["is_complete"] else "no leaks are known", "total")
    old = [each["leaks"].get("from_stacks_alone_blocks", 0) for each in totals["processes"]]
    if sum(old):
        told = f"{counted(sum(old), 'block')} reachable only from stacks and registers, perhaps through stale values"
        yield Line.plain(f"not counted: {told}", "dim")
    for by, (blocks, octets) in used.items():
        yield Line.plain(f"suppressed by {by.name}: {counted(blocks, 'block')}, {human_size(octets)}", "dim")
    if suppressions.by_stack:
        names = ", ".join(each.name for each in suppressions.by_stack[:5])
        more = len(suppressions.by_stack) - 5
        rest = f" and {more} more" if more > 0 else ""
        yield Line.plain(f"not applied, because they match call stacks, and none were recorded: {names}{rest}", "dim")
