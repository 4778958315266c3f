"""`gdbheap`: what gdbheap is, and what it found in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import gdbheap
from gdbheap import packages
from gdbheap.commands.command import Command, Target
from gdbheap.errors import HeapError
from gdbheap.report.report import Column, Report

COLUMNS = (Column("what", token="heading", heading=""), Column("found", heading=""))


def about(target: Target, arguments: Mapping[str, Any]) -> Report:
    """Return what was found, a fact for each row; what cannot be found is a row that says why."""
    return Report("gdbheap", COLUMNS, [*_itself(), *_process(target)])


def _itself() -> Iterator[tuple[str, str]]:
    yield "gdbheap", gdbheap.__version__
    missing = packages.missing()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    yield "python", version + (f", without {', '.join(missing)}" if missing else "")


def _process(target: Target) -> Iterator[tuple[str, str]]:
    try:
        process = target.process
    except HeapError as error:
        yield "process", f"none: {error}"
        return
    where = f"{process.kind} process {process.pid}" if process.pid is not None else process.kind
    yield "process", f"{where}, {8 * process.word} bits, {len(process.threads)} threads"
    if process.main is not None:
        yield "program", process.main.path
    for note in process.notes:
        yield "note", note


COMMAND = Command(
    name="gdbheap",
    summary="Show what gdbheap is, what it found in this process and how it knew.",
    run=about,
    examples=(("gdbheap", "the version, the process, its libc, and where malloc's state was found"),),
)
