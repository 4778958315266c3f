"""A process whose main thread has ended, of which /proc/PID tells nothing any more."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

import pytest

from gdbheap.launch.launcher import Launch
from support.gdb_runs import ask, kernel_core
from support.ledger import read_ledger
from support.programs import PATIENCE, build, running

COMMANDS = ["heap chunks", "heap check", "vmmap", "mm", "heap rss", "gdbheap"]
PROGRAM = "main_thread_gone"


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_under_gdb_all_is_as_with_a_main_thread(tmp_path, flags):
    told = tmp_path / "ledger"
    stop = ["break inspected", f"run < /dev/null > {shlex.quote(str(told))}"]
    answers = ask([str(build(PROGRAM, *flags))], COMMANDS, get_there=stop)
    ledger = read_ledger(told.read_text())
    assert_whole(answers, ledger)
    assert {row["what"]: row["found"] for row in answers["gdbheap"]["rows"]}["process"].startswith(
        f"live process {ledger.pid}, "
    )


def test_attached_to_a_thread_that_lives_and_in_the_core(tmp_path):
    program = build(PROGRAM)
    with running(program, directory=tmp_path) as process:
        wait_for_the_end_of_the_main_thread(process.pid)
        words = Launch("gdb").attach(process.pid)
        task = int(words[words.index("-p") + 1])
        assert task != process.pid and task in map(int, os.listdir(f"/proc/{process.pid}/task"))
        live = ask(["-p", str(task)], COMMANDS)
        assert_whole(live, process.ledger)
        notes = [row["found"] for row in live["gdbheap"]["rows"] if row["what"] == "note"]
        assert notes == ["gdb holds only some of the process's threads: 1 other may change what is shown"]
        (note,) = live["heap chunks"]["notes"]
        assert note == "gdb does not hold 1 thread of this process: what their tcaches hold counts as in use"
        dead = ask([str(program), str(kernel_core(process, tmp_path))], COMMANDS)
    assert_whole(dead, process.ledger)
    assert [row["address"] for row in dead["heap chunks"]["rows"]] == [
        r["address"] for r in live["heap chunks"]["rows"]
    ]


def wait_for_the_end_of_the_main_thread(pid):
    """The other thread may come to its stop before."""
    end = time.monotonic() + PATIENCE
    while "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_whole(answers, ledger):
    in_use = {row["mem"] for row in answers["heap chunks"]["rows"] if row["state"] == "in_use"}
    assert {hex(pointer) for pointer in ledger.live} <= in_use
    assert len(ledger.live) == 41
    assert answers["heap check"]["faults"] == []
    assert any(row["kind"] == "main_heap" for row in answers["vmmap"]["rows"])
    if answers["heap rss"]["totals"]["kernel_rss"] is not None:
        assert answers["heap rss"]["totals"]["resident"] > 100_000
