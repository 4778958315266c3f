"""`python3 -m gdbheap demo` on this system: every step is shown, and none complains."""

from __future__ import annotations

import re
import subprocess
import sys

from gdbheap.launch import places
from gdbheap.launch.demo import STEPS


def test_the_demo_shows_every_step_in_order() -> None:
    command = [sys.executable, "-m", "gdbheap", "demo"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=places.root())
    assert result.returncode == 0, result.stdout + result.stderr
    typed = re.findall(r"^\(gdb\) (.*)$", result.stdout, re.M)
    assert typed == [step.command for step in STEPS]
    for step in STEPS:
        answer = result.stdout.partition(f"(gdb) {step.command}\n-- {step.shows}\n")[2].partition("\n(gdb) ")[0]
        assert len(answer.strip()) > 20, f"{step.command} shows nothing"
    assert "Traceback" not in result.stdout + result.stderr
