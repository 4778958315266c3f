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


def gdbheap(*words: str, directory: Path, quiet: bool = True, **environment: str) -> str:
    """Run gdbheap in a directory; return what it says. `quiet`: it says nothing on standard error."""
    command = [sys.executable, "-m", "gdbheap", *words]
    environment = {**variables(), **environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    result = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == 0 and not (quiet and result.stderr), (words, result)
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

    # Every command takes the bundle itself, gdb's too; nothing of it is left behind.
    place = tmp_path / "unpacked"
    place.mkdir()
    for words in (("fault", "--core", bundle.name, "--json"), ("core", bundle.name, "--do", "fault --json")):
        told = gdbheap(*words, directory=elsewhere, TMPDIR=str(place), quiet=words[0] == "fault")
        assert json.loads(told)["rows"] == fault["rows"], words
    assert list(place.iterdir()) == []
    left = place / "gdbheap-bundle-left"
    left.mkdir()
    (left / "in-use").touch()
    gdbheap("triage", bundle.name, "--output", "rows", directory=elsewhere, TMPDIR=str(place))
    row = json.loads((elsewhere / "rows" / "rows.jsonl").read_text())
    assert (row["verdict"], row["errors"]) == (fault["rows"][0]["verdict"], [])
    assert list(place.iterdir()) == []

    unpack = said[-1].partition("python3 -m gdbheap ")[2]
    told = gdbheap(*shlex.split(unpack), directory=elsewhere).splitlines()
    following = told[1].partition("next: python3 -m gdbheap ")[2]
    again = json.loads(gdbheap(*shlex.split(following), "--json", directory=elsewhere))
    assert again["rows"] == fault["rows"]
    assert again["rows"][0]["verdict"] != "unknown"
