"""A core, packed where it was made, is read where nothing of it is: the same answers."""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from support.gdb_runs import ROOT, variables
from support.programs import PATIENCE, build


def gdbheap(*words: str, directory: Path) -> str:
    """Run gdbheap in a directory; return what it says."""
    command = [sys.executable, "-m", "gdbheap", *words]
    environment = {**variables(), "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (result.returncode, result.stderr) == (0, ""), (words, result)
    return result.stdout


def test_a_bundle_answers_as_the_core_did(tmp_path):
    program = tmp_path / "installed" / "program"
    program.parent.mkdir()
    shutil.copy(build("faults_pointers", "-Wno-error"), program)
    unbounded = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    subprocess.run(
        [str(program), "null_in_chain"],
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unbounded),
    )
    (core,) = (each for each in tmp_path.iterdir() if each.name.startswith("core"))
    fault = json.loads(gdbheap("fault", "--core", str(core), "--json", directory=tmp_path))

    said = gdbheap("pack", str(core), "--output", "bundle.gdbheap.tar.gz", directory=tmp_path).splitlines()
    assert said[-2].startswith("it holds the memory of the process, with its passwords, keys and data")
    bundle = tmp_path / "bundle.gdbheap.tar.gz"
    assert os.stat(bundle).st_mode & 0o777 == 0o600
    core.unlink()
    shutil.rmtree(program.parent)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bundle.rename(elsewhere / bundle.name)

    unpack = said[-1].partition("python3 -m gdbheap ")[2]
    told = gdbheap(*shlex.split(unpack), directory=elsewhere).splitlines()
    following = told[1].partition("next: python3 -m gdbheap ")[2]
    again = json.loads(gdbheap(*shlex.split(following), "--json", directory=elsewhere))
    assert again["rows"] == fault["rows"]
    assert again["rows"][0]["verdict"] != "unknown"
