"""The launcher in a Python that has none of gdbheap's packages: it must start, or nobody could set them up."""

from __future__ import annotations

import subprocess
import sys

from support.gdb_runs import ROOT

BARE = """
import sys
for name in ("numpy", "elftools", "pygments"):
    sys.modules[name] = None  # importing it is an ImportError
from gdbheap.__main__ import main
main(["--version"])
"""


def test_the_launcher_starts_without_any_package():
    run = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout.startswith("gdbheap "), run.stderr
