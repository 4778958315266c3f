"""Many cores at once: a row for each, none twice, whatever happens to the processes that read them; a group holds one
cause, and none is parted by where the kernel put things or where the program was built."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.gdb_runs import ROOT, kernel_core, variables
from support.programs import PATIENCE, SOURCES, build, running

# The galleries' own names, and their verdicts.
CASES = {
    "null_plus_offset": "null_plus_offset",
    "map_failed": "errno_as_pointer",
    "kernel_address": "kernel_address",
}
HOSTILE = ("text", "cut off", "of nonsense", "pipe", "empty")


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    """Return a directory of cores, and what each is of by its name."""
    directory = tmp_path_factory.mktemp("fleet")
    causes: dict[str, str] = {}
    for place in ("one", "two/three"):
        program = build_in(directory / "built" / place)
        for case in CASES:
            name = f"{case}.{place[:3]}"
            shutil.move(died(program, case, directory), directory / name)
            causes[name] = case
    leaking = build("leaks_cxx")
    for name in ("leak.one", "leak.two"):
        run = directory / "run"
        run.mkdir()
        with running(leaking, directory=run) as process:
            shutil.move(kernel_core(process, run), directory / name)
        run.rmdir()
        causes[name] = "leak"
    causes.update(made_hostile(directory))
    return directory, causes


def build_in(directory: Path) -> Path:
    """Build a gallery's program there, out of sources that lie there."""
    directory.mkdir(parents=True)
    for source in ("faults_pointers.c", "faults.h"):
        shutil.copy(SOURCES / source, directory)
    subprocess.run(["gcc", "-g", "-w", "-pthread", "-o", "program", "faults_pointers.c"], cwd=directory, check=True)
    return directory / "program"


def died(program: Path, case: str, directory: Path) -> Path:
    run = directory / "run"
    run.mkdir(exist_ok=True)
    unbounded = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    subprocess.run(
        [str(program), case], cwd=run, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unbounded)
    )
    (core,) = run.iterdir()
    moved = directory / "core"
    shutil.move(core, moved)
    run.rmdir()
    return moved


def made_hostile(directory: Path) -> dict[str, str]:
    """Make files that are no cores, or broken ones; return their names."""
    real = (directory / "map_failed.one").read_bytes()
    (directory / "text").write_text("no core\n")
    (directory / "empty").write_bytes(b"")
    (directory / "cut off").write_bytes(real[:200])
    (directory / "of nonsense").write_bytes(real[:64] + bytes(255 - each % 256 for each in range(20_000)))
    os.mkfifo(directory / "pipe")
    return dict.fromkeys(HOSTILE, "")


def started(directory: Path, causes: dict[str, str], *options: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "gdbheap", "triage", *(str(directory / each) for each in causes), "--jobs", "2"]
    return subprocess.Popen([*words, *options], cwd=ROOT, env=variables(), stdout=subprocess.PIPE, text=True)


def rows_in(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "rows.jsonl").read_text().splitlines()]


def children(pid: int) -> list[int]:
    """Return the processes that this one has started."""
    found = []
    for each in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):
            status = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            found += [int(each)] if int(status[1]) == pid else []
    return found


def pause(process: subprocess.Popen[str]) -> bool:
    """Let it run for a moment; return whether it does."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.02)
    return process.poll() is None


def test_no_row_is_lost_and_each_group_is_one_cause(cores, tmp_path):
    """The first processes that read cores are killed; then the run itself is, in its midst, and goes on."""
    directory, causes = cores
    output = tmp_path / "triage"
    process = started(directory, causes, "--output", str(output))
    killed = set()
    while len(killed) < 4 and pause(process):
        for pid in set(children(process.pid)) - killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
    while pause(process) and not (output / "rows.jsonl").read_bytes():
        pass
    process.kill()
    process.communicate()
    before = [row["key"] for row in rows_in(output)]
    said, _ = started(directory, causes, "--output", str(output), "--json").communicate(timeout=PATIENCE)
    rows, answer = rows_in(output), json.loads(said)
    assert sorted(os.path.basename(row["core"]) for row in rows) == sorted(causes)
    assert [row["key"] for row in rows][: len(before)] == before
    assert answer["totals"]["kept"] == len(before) and answer["totals"]["left"] == 0

    by_group: dict[str, set[str]] = {}
    for row in rows:
        by_group.setdefault(row["group"], set()).add(causes[os.path.basename(row["core"])])
    by_group = {group: found for group, found in by_group.items() if found != {""}}
    assert sorted(by_group.values(), key=sorted) == [{cause} for cause in sorted({*CASES, "leak"})]
    assert sum(row["cores"] for row in answer["rows"]) == len(causes)
    crashes = {(causes[os.path.basename(row["core"])], row["verdict"]) for row in rows if row["kind"] == "crash"}
    assert crashes == set(CASES.items())
    for row in rows:
        assert row["peak_memory"] < 1 << 30
        assert (row["kind"] == "unread") == (causes[os.path.basename(row["core"])] == "")
    assert (output / "index.html").read_text().count("<section ") == 3  # two builds of the gallery: changes too


def test_what_cannot_be_is_one_line(tmp_path):
    for words, said in (
        ([str(tmp_path / "none")], "there is no"),
        ([str(tmp_path)], "there is no core in"),
        (["README.md", "--output", "README.md"], "cannot write README.md"),
        (["README.md", "--memory", "1M", "--output", str(tmp_path)], "512M at least"),
    ):
        command = [sys.executable, "-m", "gdbheap", "triage", *words]
        result = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, timeout=PATIENCE)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1 and said in result.stderr
