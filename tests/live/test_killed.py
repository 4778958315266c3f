"""A process that is killed while gdb holds it: gdb does not notice, and what is answered from the stop's cache says
so."""

from __future__ import annotations

import re

from support.gdb_runs import ROOT, run_gdb
from support.programs import build

KILL = """
import os
pid = gdb.selected_inferior().pid
os.kill(pid, 9)
def states():
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            yield open(f"/proc/{pid}/task/{task}/stat").read().rpartition(")")[2].split()[0]
        except OSError:
            pass  # reaped meanwhile
# (The main thread may be dead before the others are.)
while set(states()) - {"Z", "X"}:
    os.sched_yield()
"""


def test_an_answer_about_a_process_that_was_killed_meanwhile_says_so(tmp_path):
    (tmp_path / "kill.py").write_text(KILL)
    lines = (
        *(
            "set confirm off",
            "tbreak inspected",
            "run < /dev/null > /dev/null",
            "heap",
            f"source {tmp_path / 'kill.py'}",
        ),
        *("echo @", "heap", "echo @", "heap leaks", "heap search 0x123456789", "vmmap", "fault"),
        *("echo @", "python from gdbheap.inside_gdb.answering import TARGET; TARGET.forget()", "vmmap", "heap"),
        *("echo @", "kill"),
    )
    words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py")]
    for line in lines:
        words += ["-ex", line]
    before, known, unknown, forgotten, _ = run_gdb([*words, str(build("threads"))]).split("@")
    assert "note: process" not in before
    answer, _, note = known.partition("note: ")
    assert answer in before and "arena main" in answer
    killed = r"process \d+ has been killed, which gdb has not noticed: this was read before [^\n]*\n(next: [^\n]*\n)?"
    assert re.fullmatch(killed, note)
    gone = r"process \d+ was killed, or runs another program by now: its memory is gone, and was not read before\n"
    assert re.fullmatch(f"({gone}){{4}}", unknown)
    assert re.fullmatch(
        r"(process \d+ has been killed, which gdb has not noticed: `kill` ends the session\n){2}", forgotten
    )
