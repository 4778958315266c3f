"""The compiled kernel in a real gdb: the same answers as without it."""

from __future__ import annotations

import os
import subprocess
import sys

from support.gdb_runs import ROOT, ask
from support.kernels import data_home
from support.programs import build, running

COMMANDS = ("heap leaks", "heap chunks --summary", "heap check", "heap retained")
LOADED = "python import sys; print('kernel', sys.modules['gdbheap.kernel.kernel']._loaded)"


def test_answers_are_the_same_with_the_kernel(tmp_path):
    environment = data_home(tmp_path)
    compiled = "from gdbheap.launch.compiled_kernel import compile_kernel; assert compile_kernel()"
    subprocess.run([sys.executable, "-c", compiled], env={**os.environ, **environment}, cwd=ROOT, check=True)
    with running(build("scaled", "-O2"), "mixed", "60000") as process:
        first, second = (
            ask(
                ["-p", str(process.pid)], COMMANDS, environment={**environment, "GDBHEAP_KERNEL": switch}, then=[LOADED]
            )
            for switch in ("off", "")
        )
    assert "kernel [None]" in first.text
    assert "kernel [<gdbheap.kernel.kernel.CompiledLoops" in second.text
    assert first.json == second.json
