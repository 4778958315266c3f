"""The same heap through gdbserver: the answers are those of the attached process."""

from __future__ import annotations

import pytest

from support.expected import NO_PROCESS, rows_of
from support.gdb_runs import ask
from support.programs import build, running

COMMANDS = ["heap chunks", "heap bins", "heap arenas"]


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["x86-64", "i386"])
def test_a_gdbserver_target_tells_what_the_process_told(flags):
    with running(build("mixed", *flags)) as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        server = f"target remote | gdbserver --once --attach stdio {process.pid}"
        remote = ask([str(build("mixed", *flags))], COMMANDS, get_there=[server])
    if "A problem internal to GDBserver" in remote.text:
        # gdbserver 10 on a CPU with AVX-512 breaks off with any 32-bit process, gdbheap or not: what is left is no
        # process.
        assert remote.text.count(NO_PROCESS) == len(COMMANDS)
        return
    assert remote["heap chunks"]["faults"] == []
    assert rows_of(remote) == rows_of(live)


def test_a_gdbserver_target_with_threads_has_every_threads_tcache():
    with running(build("threads"), "5") as process:
        live = ask(["-p", str(process.pid)], COMMANDS)
        server = f"target remote | gdbserver --once --attach stdio {process.pid}"
        remote = ask([str(build("threads"))], COMMANDS, get_there=[server])
    assert rows_of(remote) == rows_of(live)
