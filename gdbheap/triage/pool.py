"""Cores on this machine: so many processes at once, one for each core."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gdbheap.triage.bounded import BoundedProcess
from gdbheap.triage.row import Row
from gdbheap.triage.work import Job, is_to_be_repeated, row_from, work_of


@dataclass
class _Running:
    job: Job
    attempts: int
    process: BoundedProcess


def rows_of(jobs: Iterable[Job], at_once: int) -> Iterator[Row]:
    """Yield the row of each core as it comes; what still runs is ended when the caller asks for no more."""
    waiting = deque((job, 1) for job in jobs)
    running: dict[int, _Running] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    job, attempts = waiting.popleft()
                    process = BoundedProcess(work_of(job), job.limits)
                    running[process.fileno()] = _Running(job, attempts, process)
                    selector.register(process, selectors.EVENT_READ)
                for each in _ended(selector, running):
                    selector.unregister(each.process)
                    del running[each.process.fileno()]
                    outcome = each.process.outcome()
                    if is_to_be_repeated(outcome, each.attempts):
                        waiting.append((each.job, each.attempts + 1))
                    else:
                        yield row_from(each.job, outcome, each.attempts)
        finally:
            for each in running.values():
                each.process.kill()
                each.process.outcome()


def _ended(selector: selectors.BaseSelector, running: dict[int, _Running]) -> list[_Running]:
    """Wait until a process says something, or the time of one is over; return those that have said all."""
    patience = max(0.0, min(each.process.left() for each in running.values()))
    ready = [running[key.fd] for key, _ in selector.select(patience)]
    for each in running.values():
        if each.process.left() <= 0:
            each.process.expire()
    return [each for each in ready if each.process.read()]
