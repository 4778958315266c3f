"""numpy's threads, in gdb's process: as few as can be, and they take none of gdb's signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Stands for numpy, whose BLAS starts threads or not, by the build and the number of processors.
NUMPY = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\nzeros = 1\n"
ASK = """
import glob, re, signal
from gdbheap.lazy import np

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
np.zeros
for path in sorted(glob.glob("/proc/self/task/*/status")):
    print(re.search(r"SigBlk:\\s+(\\w+)", open(path).read())[1])
"""


def test_threads_that_an_import_starts_take_no_signals(tmp_path):
    (tmp_path / "numpy.py").write_text(NUMPY)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    said = subprocess.run([sys.executable, "-c", ASK], env=environment, check=True, capture_output=True, text=True)
    own, started = (int(line, 16) for line in said.stdout.split())
    blockable = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    assert own == 1 << signal.SIGUSR1 - 1
    assert [each for each in blockable if not started >> each - 1 & 1] == []


def test_blas_is_told_to_make_no_threads_unless_somebody_has_said_how_many(tmp_path):
    (tmp_path / "numpy.py").write_text("import os\ntold = os.environ['OPENBLAS_NUM_THREADS']\n")
    ask = "import os; from gdbheap.lazy import np; print(np.told, os.environ.get('OPENBLAS_NUM_THREADS'))"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    for more, expected in (({}, "1 None"), ({"OPENBLAS_NUM_THREADS": "3"}, "3 3")):
        words = [sys.executable, "-c", ask]
        said = subprocess.run(words, env={**environment, **more}, check=True, capture_output=True, text=True)
        assert said.stdout.strip() == expected
