"""heap snapshot: keep what the heap holds now in a file, to compare it later."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from gdbheap.analysis.snapshots.snapshot_file import write_snapshot
from gdbheap.errors import UsageError
from gdbheap.interface.arguments import as_word
from gdbheap.interface.command import Argument, Command
from gdbheap.lazy import dataclass
from gdbheap.process.process import Process
from gdbheap.report.report import Facts, Line, Next, Prose, Report, Table
from gdbheap.report.rows import PATH, column, columns_of
from gdbheap.sentences.facts.said import said_all
from gdbheap.sentences.faults import faults_section
from gdbheap.session.snapshot_store import make_directory, path_of, snapshot_now
from gdbheap.session.target import Target


@dataclass(frozen=True)
class _Row:
    """The snapshot that was taken."""

    name: str = field(metadata=column())
    blocks: int = field(metadata=column("count"))
    in_use_bytes: int = field(metadata=column("bytes", heading="in use"))
    read_seconds: str = field(metadata=column(heading="read in (s)"))
    file: str = field(metadata=column("text", "path", gives=PATH))


def run(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Read the heap, write the file."""
    started = time.monotonic()
    name, path = arguments["name"], arguments["output"]
    if not name and not path:
        raise UsageError("NAME is missing: a name for `heap diff` to know the snapshot by (or --output FILE)")
    path = path or path_of(name)
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise UsageError(f"{path} is not a regular file")
        if not arguments["replace"]:
            raise UsageError(f"{path} already exists: --replace overwrites it")
    if arguments["detach"] and target.process.kind == "core":
        raise UsageError("a core does not run: --detach is for processes")
    kind, detach = target.process.kind, arguments["detach"]
    runs_on = detach and target.let_run_on(started)
    snapshot = snapshot_now(target, started, not detach)
    heap = target.heap()
    if detach and not runs_on:
        target.detach()
    let_go = target.process.seconds_held or time.monotonic() - started
    if not arguments["output"] and "/" not in name:
        make_directory()
    write_snapshot(snapshot, path)
    facts = snapshot.facts
    seconds = f"{facts['read_seconds']:.2f}"
    return Report(
        "heap snapshot",
        (
            Table(
                columns_of(_Row),
                [_Row(name or os.path.basename(path), len(snapshot), facts["in_use_bytes"], seconds, path)],
            ),
            Prose((Line.plain(_time_taken(target.process, detach, let_go, started), "dim"),)),
            Facts({"read_seconds": facts["read_seconds"]}, shown=False),
            faults_section(heap.faults),
        ),
        notes=said_all(heap.notes),
        next=() if kind == "core" else (Next(f"heap diff {as_word(name or path)}", "later: what has grown since"),),
    )


def _time_taken(process: Process, detached: bool, let_go: float, started: float) -> str:
    written = f"written after {time.monotonic() - started:.2f} s"
    if process.kind == "core":
        return f"the core was read in {let_go:.2f} s; {written}"
    if detached:
        return f"this command held the process for {let_go:.2f} s, and has detached from it; {written}"
    if process.seconds_held is not None:
        return f"the process was held for {let_go:.2f} s; {written}"
    return f"the process could run on after {let_go:.2f} s; {written} (--detach lets it run on before that)"


COMMAND = Command(
    name="heap snapshot",
    summary="Save what the heap holds now, for `heap diff`.",
    description=(
        "Saves the address and size of every block in use, what it is (its type, as far as that is known), the "
        "variable or member that holds it (as in `heap retained`) and the text that it begins with, but no other "
        "contents. `heap diff` reads the file in any gdb, and `python3 -m gdbheap diff` without one. The answer says "
        "for how long the process was held up. The process stays stopped until you continue it; with --detach, only "
        "while its memory is read, and types and holders are then left out."
    ),
    run=run,
    arguments=(
        Argument("NAME", "snapshot", "Any name, or a path (with a /)."),
        Argument("--output", "path", "Write the snapshot to this file."),
        Argument("--replace", "flag", "Overwrite an existing snapshot."),
        Argument(
            "--detach",
            "flag",
            "Detach from the process as soon as its memory has been read, before the file is written.",
        ),
    ),
    examples=(
        ("heap snapshot before", "save the heap as it is now under the name before"),
        ("heap snapshot after --detach", "take one from a busy process, and let it go on at once"),
        ("heap snapshot --output /tmp/after.heap", "save it to a file of your choice"),
    ),
)
