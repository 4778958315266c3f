"""`python3 -m gdbheap leaks PROGRAM`: run a program to its end at its own speed, say what it leaked, and answer with
an exit status, for CI."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import HeapError
from gdbheap.files import open_new, open_regular, read_regular
from gdbheap.launch.launcher import Launch
from gdbheap.launch.suppressions import Suppression, Suppressions
from gdbheap.process.fault import Fault
from gdbheap.report.printable import human_size
from gdbheap.report.report import ABSENT, Absent, Facts, Faults, Line, Prose, Report, Table
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


_MOST_ANSWER = 1 << 30
# As far as the kernel reads (BINPRM_BUF_SIZE).
_LONGEST_FIRST_LINE = 256


@dataclass(frozen=True)
class Gate:
    """What was asked: `kinds` (of KINDS) are those that count as leaks."""

    launch: Launch
    program: str
    arguments: Sequence[str]
    kinds: Sequence[str] = DEFAULT_KINDS
    follow_children: bool = False
    system_calls: bool = False
    suppressions: Suppressions = field(default_factory=Suppressions)


def run_gate(gate: Gate) -> tuple[Report, int]:
    """Run the program; return the answer and the exit status (NO_LEAKS, LEAKS, TROUBLE). HeapError if it cannot be
    run."""
    processes = _processes(gate)
    wanted = {_LABELS[each] for each in gate.kinds}
    rows: list[_Row] = []
    used: dict[Suppression, list[int]] = {}
    totals: dict[str, Any] = {"processes": []}
    faults: list[Fault] = []
    notes: list[str] = []
    for process in processes:
        leaks = process["leaks"] or {"rows": [], "totals": {}, "notes": [], "faults": []}
        for row in leaks["rows"]:
            if row["kind"] not in wanted or (row["kind"] == "indirectly_lost" and "definite" in gate.kinds):
                continue  # what hangs on a lost block is counted with that
            by = gate.suppressions.match(row)
            if by is not None:
                tally = used.setdefault(by, [0, 0])
                tally[0] += row["count"] + row["hanging_count"]
                tally[1] += row["bytes"] + row["hanging_bytes"]
            rows.append(_row(process["pid"], row, by))
        notes += [each for each in leaks["notes"] if each not in notes]
        faults += [Fault(int(each["address"], 16), each["message"], each["detail"]) for each in leaks["faults"]]
        totals["processes"].append({**process, "leaks": leaks["totals"]})
    leaked = [row for row in rows if row.suppressed_by is ABSENT]
    blind = any(each["trouble"] and each["end"]["kind"] != "exec" for each in processes) or not processes
    totals |= {
        "is_complete": not blind,
        "leaked_blocks": sum(row.count + row.hanging_count for row in leaked),
        "leaked_bytes": sum(row.bytes + row.hanging_bytes for row in leaked),
        "suppressions": [{"name": by.name, "blocks": count, "bytes": size} for by, (count, size) in used.items()],
        "suppressions_not_applied": [each.name for each in gate.suppressions.by_stack],
    }
    report = Report(
        "leaks",
        (
            Prose(tuple(_ends(processes))),
            Table(columns_of(_Row), rows, leaked),
            Prose(tuple(_summary(gate, totals, used))),
            Facts(totals, shown=False),
            Faults(tuple(faults)),
        ),
        notes=tuple(notes),
    )
    return report, LEAKS if leaked else TROUBLE if blind else NO_LEAKS


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
    )


def _ends(processes: Sequence[dict[str, Any]]) -> Iterator[Line]:
    """Yield a line for each process: how it ended, and what could not be seen."""
    for each in processes:
        name = os.path.basename(each["program"]) or "the program"
        if each["of_vfork"]:
            name = "a child of vfork, in its parent's memory"
        yield Line.plain(f"{name} (process {each['pid']}) {_end(each['end'])}", "heading")
        if each["trouble"]:
            yield Line.plain(f"  its leaks are not known: {each['trouble']}")
    if not processes:
        yield Line.plain("the program was not seen to end", "heading")


def _end(end: dict[str, Any]) -> str:
    if end["kind"] == "exec":
        return f"became {end.get('program') or 'another program'} by exec"
    if end["kind"] == "signal":
        return f"was ended by {end.get('signal') or 'a signal'}"
    return f"exited with status {end.get('status', 'unknown')}"


def _summary(gate: Gate, totals: dict[str, Any], used: dict[Suppression, list[int]]) -> Iterator[Line]:
    count, size = totals["leaked_blocks"], totals["leaked_bytes"]
    if count:
        yield Line.plain(f"leaked: {counted(count, 'block')}, {human_size(size)} (chunk headers included)", "total")
    else:
        yield Line.plain("no leaks" if totals["is_complete"] else "no leaks are known", "total")
    for by, (blocks, octets) in used.items():
        yield Line.plain(f"suppressed by {by.name}: {counted(blocks, 'block')}, {human_size(octets)}", "dim")
    if gate.suppressions.by_stack:
        names = ", ".join(each.name for each in gate.suppressions.by_stack[:5])
        more = len(gate.suppressions.by_stack) - 5
        rest = f" and {more} more" if more > 0 else ""
        yield Line.plain(f"not applied, for they match call stacks, which nothing recorded here: {names}{rest}", "dim")


def _processes(gate: Gate) -> list[dict[str, Any]]:
    """Run the program in gdb to its end; return what was seen of each process."""
    program, arguments = _interpreted(gate.program, gate.arguments)
    with tempfile.TemporaryDirectory(prefix="gdbheap-leaks-") as place, _streams() as streams:
        starter, answer, log = (os.path.join(place, name) for name in ("start", "answer", "log"))
        with open_new(starter) as file:
            file.write(_starter(arguments, streams).encode("utf-8", "surrogateescape"))
        call = f"run_gate({starter!r}, {answer!r}, {gate.follow_children}, {gate.system_calls})"
        words = gate.launch.run(program, ())
        words[1:1] = ["-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"]
        at = words.index("--args")
        words[at:at] = ["-ex", f"python from gdbheap.inside_gdb.leak_gate import run_gate; {call}"]
        with open_new(log) as output:
            subprocess.run(
                words,
                stdin=None if os.isatty(0) else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "SHELL": "/bin/sh"},
                pass_fds=streams,
                check=False,
            )
        try:
            found = json.loads(read_regular(answer, _MOST_ANSWER))
        except (OSError, ValueError):
            found = {"processes": [], "error": _last_line(log)}
    processes: list[dict[str, Any]] = found["processes"]
    if found["error"] and not processes:
        raise HeapError(f"gdb could not run {gate.program}: {found['error']}")
    return processes


def _last_line(log: str) -> str:
    said = read_regular(log, _MOST_ANSWER).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")


def _interpreted(program: str, arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return what the kernel would run: of a script, its interpreter, with the script as its argument."""
    found = shutil.which(program)
    try:
        with open_regular(found or program) as file:
            first = file.read(_LONGEST_FIRST_LINE).split(b"\n")[0]
    except OSError:
        return program, arguments
    if found is None or not first.startswith(b"#!"):
        return program, arguments
    words = os.fsdecode(first[2:]).split(maxsplit=1)
    return words[0], (*words[1:], found, *arguments)


def _starter(arguments: Sequence[str], streams: Sequence[int]) -> str:
    """Return the shell script that becomes the program that gdb names, with its own arguments, standard streams and
    environment: gdb has others."""
    lines = []
    for name in ("LINES", "COLUMNS"):  # gdb sets them
        lines.append(f"export {name}={shlex.quote(os.environ[name])}" if name in os.environ else f"unset {name}")
    shell = os.environ.get("SHELL")
    lines.append("unset SHELL" if shell is None else f"export SHELL={shlex.quote(shell)}")
    given, output, errors = streams
    own = f"<&{given} >&{output} 2>&{errors} {given}<&- {output}>&- {errors}>&-"
    lines.append(" ".join(['exec "$@"', *map(shlex.quote, arguments), own]))
    return "\n".join(lines) + "\n"


@contextmanager
def _streams() -> Iterator[tuple[int, int, int]]:
    """Yield copies of our standard streams, for the program: gdb's own go elsewhere. They have one digit, for the
    shell."""
    sys.stdout.flush()
    copies: list[int] = []
    try:
        for stream in (0, 1, 2):
            copies.append(fcntl.fcntl(stream, fcntl.F_DUPFD, 3))
        if max(copies) > 9:
            raise HeapError("too many files are open here to start a program")
        yield copies[0], copies[1], copies[2]
    finally:
        for each in copies:
            os.close(each)
