"""Whatever work does to its process, the parent is told how it ended and what it had said."""

from __future__ import annotations

import os
import select
import signal
import time

import pytest

from gdbheap.triage.bounded import BUG, OUT_OF_MEMORY, BoundedProcess, ProcessLimits

ROOMY = ProcessLimits(1 << 32, 60.0)


def outcome_of(work, limits=ROOMY):
    process = BoundedProcess(work, limits)
    while True:
        ready, _, _ = select.select([process], [], [], max(process.left(), 0))
        if not ready:
            process.expire()
        elif process.read():
            return process.outcome()


def test_all_that_is_said_comes():
    outcome = outcome_of(lambda emit: [emit({"part": n, "text": "x" * 100_000}) for n in range(5)])
    assert [part["part"] for part in outcome.said] == [0, 1, 2, 3, 4]
    assert (outcome.code, outcome.signal, outcome.late) == (0, 0, False)
    assert outcome.peak_memory > 1 << 20


def allocates(emit):
    emit({"doing": "a"})
    bytearray(1 << 40)


def fails(emit):
    emit({"doing": "a"})
    raise ValueError("a bug")


def kills_itself(emit):
    emit({"doing": "a"})
    os.kill(os.getpid(), signal.SIGSEGV)


def ends(emit):
    emit({"doing": "a"})
    os._exit(9)


@pytest.mark.parametrize(
    ("work", "code", "by"),
    [(allocates, OUT_OF_MEMORY, 0), (fails, BUG, 0), (kills_itself, None, signal.SIGSEGV), (ends, 9, 0)],
)
def test_how_it_ended_is_told(work, code, by):
    outcome = outcome_of(work)
    assert (outcome.code, outcome.signal, outcome.late) == (code, by, False)
    assert outcome.said == ({"doing": "a"},)


def test_memory_is_bounded():
    assert outcome_of(lambda emit: bytearray(3 << 30), ProcessLimits(2 << 30, 60.0)).code == OUT_OF_MEMORY


def test_time_is_bounded():
    outcome = outcome_of(lambda emit: time.sleep(600), ProcessLimits(1 << 32, 0.05))
    assert (outcome.late, outcome.signal) == (True, signal.SIGKILL)


def test_a_line_that_was_cut_off_is_no_part():
    def work(emit):
        emit({"doing": "a"})
        os.write(
            max(int(each) for each in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{each}")), b"{"
        )

    assert outcome_of(work).said == ({"doing": "a"},)


def test_it_has_none_of_the_parents_files(tmp_path):
    with open(tmp_path / "locked", "wb") as file:

        def work(emit):
            try:
                os.fstat(file.fileno())
            except OSError:
                emit({"closed": True})

        assert outcome_of(work).said == ({"closed": True},)
