"""The gate where a process is killed in the moment between a stop and the next step on: gdb then never lets the others
run, and nobody waits for it."""

from __future__ import annotations

import json
import subprocess

from support.gdb_runs import ROOT
from support.programs import PATIENCE

PROGRAM = """\
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    if (fork()) {
        wait(NULL);
        return 3;
    }
    execl("/bin/true", "true", (char *)0);
}
"""
# The child stands still at exec when it is killed, and gdb is about to step it over its breakpoint there.
KILLED = """\
import os, signal
import gdb
from gdbheap.inside_gdb import gate_watch, leak_gate
from gdbheap.inside_gdb.last_moments import has_ended
gate_watch._PATIENCE = 4
go_on = leak_gate._Gate._go_on
victims = []
def killed_first(gate, watch):
    processes = sorted(each.pid for each in gdb.inferiors() if each.pid)
    if len(processes) == 2 and not victims:
        victims.append(processes[1])
        os.kill(processes[1], signal.SIGKILL)
        while not has_ended(processes[1]):
            pass
    go_on(gate, watch)
leak_gate._Gate._go_on = killed_first
leak_gate.run_gate({starter!r}, {answer!r}, True, False, False)
"""


def test_gdb_that_lets_none_run_any_more_is_given_up(tmp_path):
    source, made, starter, script, answer = (tmp_path / each for each in ("two.c", "two", "start", "do.py", "answer"))
    source.write_text(PROGRAM)
    subprocess.run(["gcc", str(source), "-o", str(made)], check=True, timeout=PATIENCE)
    starter.write_text('exec "$@"\n')
    script.write_text(KILLED.format(starter=str(starter), answer=str(answer)))
    words = ["gdb", "-nx", "-q", "-batch", "-ex", f"source {ROOT / 'gdb_init.py'}", "-ex", f"source {script}"]
    subprocess.run(
        [*words, "--args", str(made)], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PATIENCE
    )
    found = json.loads(answer.read_text())
    ends = [each["end"] for each in found["processes"]]
    assert {"kind": "signal", "signal": "SIGKILL"} in ends
    # A gdb that goes on all the same tells the other's end.
    assert found["error"] == "it lets none of the processes run, for one was killed" or len(ends) == 2
