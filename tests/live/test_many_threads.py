"""Of many threads the kernel is asked for registers: they are those that gdb says."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask
from support.programs import build, running

_SCRIPT = """python
from gdbheap.inside_gdb import threads
from gdbheap.inside_gdb.answering import TARGET
process = TARGET.process
assert len(process.threads) > threads._MANY_THREADS
ordered = sorted(gdb.selected_inferior().threads(), key=lambda each: each.num)
told = threads._told_by_kernel(ordered, gdb.selected_thread(), process.machine)
assert len(told) == len(ordered), len(told)
by_gdb = threads.read_threads(process.machine, [], by_kernel=False)
assert process.threads == by_gdb
assert gdb.selected_thread().num == 81
print("the same", len(by_gdb))
ordered[40].switch()
gdb.execute("set var $rbx = 0x1234", to_string=True)
TARGET.forget(None)
assert TARGET.process.threads[40].registers["rbx"] == 0x1234
by_gdb_alone = threads._registers
threads._registers = lambda thread, machine: {**by_gdb_alone(thread, machine), "rbx": 1}
assert threads._told_by_kernel(ordered, ordered[40], process.machine) == {}
print("what gdb denies is not taken")
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    script = tmp_path_factory.mktemp("threads") / "threads.gdb"
    script.write_text(_SCRIPT)
    with running(build("scaled"), "threads", "80") as process:
        return ask(["-p", str(process.pid)], (), then=("thread 81", f"source {script}")).text


def test_registers_of_many_threads_are_those_that_gdb_says(answer):
    assert "the same 81\n" in answer


def test_where_gdb_says_anything_else_it_is_right(answer):
    assert "what gdb denies is not taken\n" in answer
