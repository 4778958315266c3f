"""A core's row out of what its process said before it ended, however it ended."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gdbheap.counted import counted
from gdbheap.errors import HeapError
from gdbheap.report.printable import human_size
from gdbheap.triage.bounded import OUT_OF_MEMORY, Emit, ProcessLimits, ProcessOutcome
from gdbheap.triage.cores import Core
from gdbheap.triage.remote import local_copy
from gdbheap.triage.row import NAMES, Row
from gdbheap.triage.signature import grouped

# Whoever sends these means no core: the process is let try again, so often.
_SENT = frozenset((signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1))
MOST_ATTEMPTS = 16
_JOINED = ("notes", "errors")


class WorkEnded(HeapError):
    """What reads the cores has gone away in the middle: those without a row have none."""

    code = "work_ended"


@dataclass(frozen=True)
class Job:
    """A core to be read; `options` are those of core_options()."""

    core: Core
    options: Namespace
    limits: ProcessLimits


def work_of(job: Job) -> Callable[[Emit], None]:
    """Return what a bounded process does for the core."""
    from gdbheap.triage.examine import examine  # numpy and the commands come with it

    def work(emit: Emit) -> None:
        if not job.core.is_remote:
            examine(job.core.name, job.options, emit)
            return
        emit({"doing": "fetching it"})
        try:
            with local_copy(job.core.name) as path:
                examine(path, job.options, emit)
        except OSError as error:
            emit({"errors": [error.strerror or str(error)], "doing": ""})

    return work


def is_to_be_repeated(outcome: ProcessOutcome, attempts: int) -> bool:
    """Whether somebody else ended the process, and it may try again."""
    return outcome.signal in _SENT and not outcome.late and attempts < MOST_ATTEMPTS


def row_from(job: Job, outcome: ProcessOutcome, attempts: int) -> Row:
    """Return the row of a core: all that was said, and how the process ended where it did not end well."""
    core = job.core
    parts, doing = _merged(outcome.said)
    ended = _ending(outcome, attempts, job.limits)
    if ended:
        parts["errors"] = (*parts.get("errors", ()), f"{doing}: {ended}" if doing else ended)
    row = Row(core.key, core.name, core.time, core.size, **parts)
    return grouped(replace(row, cpu_seconds=outcome.cpu_seconds, peak_memory=outcome.peak_memory, attempts=attempts))


def unread(core: Core, why: str) -> Row:
    """Return the row of a core that nobody could begin to read."""
    return grouped(Row(core.key, core.name, core.time, core.size, errors=(why,)))


def _merged(said: tuple[Mapping[str, Any], ...]) -> tuple[dict[str, Any], str]:
    parts: dict[str, Any] = {}
    doing = "starting"
    for each in said:
        doing = each.get("doing", doing)
        for name in NAMES & each.keys():
            value = tuple(each[name]) if isinstance(each[name], list) else each[name]
            parts[name] = (*parts.get(name, ()), *value) if name in _JOINED else value
    return parts, doing


def _ending(outcome: ProcessOutcome, attempts: int, limits: ProcessLimits) -> str:
    """Return what ended the process before it was done; "" where nothing did."""
    if outcome.late:
        return f"it takes longer than {limits.seconds:g} s (--time)"
    if outcome.code == OUT_OF_MEMORY:
        return f"it takes more than {human_size(limits.memory)} (--memory)"
    if outcome.signal in _SENT:
        name = signal.Signals(outcome.signal).name
        return f"its process was ended by {name} {counted(attempts, 'time')} (the kernel, for want of memory?)"
    if outcome.signal:
        return f"reading it ended the process with signal {outcome.signal}"
    return f"reading it ended the process with status {outcome.code}" if outcome.code else ""
