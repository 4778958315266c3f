"""Dask's part: every core has one row, also where workers end; in place of Dask stands what answers as it does."""

from __future__ import annotations

import sys
from argparse import Namespace
from concurrent.futures import CancelledError
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest

from gdbheap.errors import HeapError
from gdbheap.triage.bounded import ProcessLimits
from gdbheap.triage.cores import Core
from gdbheap.triage.on_dask import rows_of_cluster
from gdbheap.triage.row import Row
from gdbheap.triage.work import MOST_ATTEMPTS, Job, WorkEnded

JOBS = [Job(Core(f"/core.{n}", f"key{n}"), Namespace(), ProcessLimits(1 << 30, 9.0)) for n in range(200)]


class Future:
    def __init__(self, answer, client=None):
        self._answer, self._client = answer, client

    def result(self):
        if self._client is not None:
            self._client.answered()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def release(self):
        pass


class Completed(list):
    """as_completed(): what is added comes too."""

    add = list.append

    def __iter__(self):
        while self:
            yield self.pop(0)


class Client:
    """Of the cores in `failing`, by key, so many first tries fail. The scheduler answers `answers` times, and is gone
    then: of what it had, nothing comes any more."""

    failing: ClassVar[dict[str, int]] = {}
    answers: ClassVar[int] = 1000
    error: Exception = OSError("KilledWorker")

    def __init__(self, address, timeout):
        if address == "tcp://nowhere":
            raise OSError("timed out")
        self._left = dict(self.failing)
        self.status = "running"
        self._given = 0
        self._workers = {} if address == "tcp://alone" else {"a": 2, "b": 2}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def nthreads(self):
        return self._workers

    def submit(self, function, request, pure):
        if self.status == "closed":
            raise RuntimeError("Client is closed")
        key = request["core"]["key"]
        if self._left.get(key, 0) > 0:
            self._left[key] -= 1
            return Future(self.error)
        return Future(Row(key, request["core"]["name"], machine="x86-64").record(), self)

    def answered(self):
        self._given += 1
        if self._given > self.answers:
            self.status = "closed"
            raise CancelledError


@pytest.fixture
def dask(monkeypatch):
    """Put it in Dask's place; return the class of its clients."""
    module = ModuleType("distributed")
    made = type("Client", (Client,), {})
    vars(module).update(vars(SimpleNamespace(Client=made, as_completed=Completed)))
    monkeypatch.setitem(sys.modules, "distributed", module)
    return made


def test_each_core_has_one_row(dask):
    dask.failing = {"key3": 1, "key7": MOST_ATTEMPTS - 1}
    rows = list(rows_of_cluster(JOBS, "tcp://scheduler:8786", 2))
    assert sorted(row.key for row in rows) == sorted(job.core.key for job in JOBS)
    assert {row.machine for row in rows} == {"x86-64"}


def test_a_core_that_ends_every_worker_is_a_row_that_says_so(dask):
    dask.failing = {"key3": 1000}
    rows = {row.key: row for row in rows_of_cluster(JOBS, "tcp://scheduler:8786", 2)}
    assert len(rows) == len(JOBS)
    assert rows["key3"].errors == (f"its worker ended, {MOST_ATTEMPTS} times: OSError",)
    assert rows["key3"].kind == "unread"


@pytest.mark.parametrize("answers", [0, 1, 70, 199])
def test_where_the_scheduler_goes_away_each_core_has_its_row_or_none(dask, answers):
    """None is told as unread: nothing is known of those that it had."""
    dask.answers = answers
    rows = []
    with pytest.raises(WorkEnded, match="gone away"):
        rows.extend(rows_of_cluster(JOBS, "tcp://scheduler:8786", 2))
    assert [row.key for row in rows] == [job.core.key for job in JOBS[:answers]]
    assert not any(row.errors for row in rows)


@pytest.mark.parametrize(
    ("address", "said"), [("tcp://nowhere", "there is no scheduler"), ("tcp://alone", "has no workers")]
)
def test_what_cannot_be_is_one_line(dask, address, said):
    with pytest.raises(HeapError, match=said):
        list(rows_of_cluster(JOBS, address, 2))


def test_workers_without_gdbheap_are_told(dask):
    dask.failing, dask.error = {"key3": 1}, ModuleNotFoundError("No module", name="gdbheap")
    with pytest.raises(HeapError, match="has no gdbheap: pip install"):
        list(rows_of_cluster(JOBS, "tcp://scheduler:8786", 2))


def test_without_dask_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HeapError, match="pip install dask distributed"):
        list(rows_of_cluster(JOBS, "local", 2))
