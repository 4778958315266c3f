"""A pipe that only its writing end is left of is seen."""

from __future__ import annotations

import os
import subprocess

from gdbheap.report.pipes import pipes_held


def test_a_pipe_into_another_program_is_seen_and_one_of_our_own_is_not():
    before = pipes_held()
    reader, writer = os.pipe()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as program:
        assert program.stdin is not None
        name = os.readlink(f"/proc/self/fd/{program.stdin.fileno()}")
        assert pipes_held() - before == {name}
    os.close(reader)
    os.close(writer)
    assert pipes_held() == before
