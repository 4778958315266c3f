"""Debian's python3 with an extension module that forgets what it makes: the first command names the lost blocks by the
module's type, and the second what the module's variable keeps."""

from __future__ import annotations

import subprocess

from support.gdb_runs import ask
from support.programs import build, kill

FORGOTTEN, KEPT = 200, 300
SCRIPT = f"""
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.ExtensionFileLoader("leaking_extension", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("leaking_extension", loader))
loader.exec_module(module)
module.count({KEPT})
module.parse({FORGOTTEN})
print("ready", flush=True)
sys.stdin.read()
"""
LEAKS, RETAINED = "heap leaks", "heap retained"


def test_what_an_extension_forgets_and_what_it_keeps_are_named():
    module = build("leaking_extension", "-shared", "-fPIC")
    words = ["/usr/bin/python3", "-c", SCRIPT, str(module)]
    python = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert python.stdout is not None and python.stdout.readline() == b"ready\n"
        answers = ask(["-p", str(python.pid)], [LEAKS, RETAINED])
    finally:
        kill(python)
    lost = [row for row in answers[LEAKS]["rows"] if row["kind"] == "definitely_lost"]
    # A stale word on the stack may keep the last one.
    records = [row for row in lost if row["what"].endswith("struct record")]
    assert sum(row["count"] for row in records) >= FORGOTTEN - 2, lost
    assert sum(row["hanging_count"] for row in records) >= FORGOTTEN - 2
    assert lost[0] in records
    held = {row["holder"]: row for row in answers[RETAINED]["rows"]}
    # (Old words behind the end of a name may lead to what nothing else does.)
    assert 2 * KEPT <= held["kept"]["blocks"] < 2 * KEPT + 10
    assert held["kept"]["type"] == "struct record *"
