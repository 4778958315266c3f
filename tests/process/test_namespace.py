"""The pid that a process's own signals carry, from texts of /proc/PID/status."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gdbheap.process.live.namespace import pid_in_namespace


@pytest.mark.parametrize(
    ("status", "pid"),
    [
        ("Name:\tapp\nPid:\t5000\nNStgid:\t5000\n", 5000),
        # A container's first process, and one in a container within a container.
        ("Name:\tapp\nPid:\t5000\nNStgid:\t5000\t1\nNSpgid:\t5000\t1\n", 1),
        ("NStgid:\t5000\t17\t3\n", 3),
        # Kernels before 4.1, and nonsense.
        ("Name:\tapp\nPid:\t5000\n", None),
        ("NStgid:\n", None),
        ("NStgid:\tx\n", None),
    ],
)
def test_the_innermost_number_counts(status, pid):
    assert pid_in_namespace(status) == pid


def test_this_process_is_known_to_itself():
    assert pid_in_namespace(Path("/proc/self/status").read_text()) == os.getpid()
