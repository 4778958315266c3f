"""Commands on a core without gdb: the same answers as gdb's, from Python alone."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from gdbheap.__main__ import main
from gdbheap.analysis.snapshots.snapshot_file import read_snapshot
from gdbheap.process.live.held_threads import held_threads
from support.debuginfod_server import debuginfod
from support.gdb_runs import ROOT, ask, kernel_core, variables
from support.programs import PATIENCE, build, running

COMMANDS = (
    "heap",
    "heap arenas",
    "heap bins",
    "heap check",
    "heap chunks",
    "heap leaks --kind all --blocks",
    "heap params",
    "heap retained",
    "heap rss",
    "heap sizes",
    "heap types",
    "mm",
    "vmmap",
)
NAMED = ("heap leaks --kind all --blocks", "heap retained", "heap types")
PROGRAMS = {
    "x86-64": ("leaks_cxx", ()),
    "i386": ("leaks", ("-m32",)),
    "static": ("many_sizes", ("-static",)),
    "threads": ("threads", ()),
}


def answer(command: str, core, *options: str) -> dict:
    """Return what `python3 -m gdbheap COMMAND --core CORE --json` writes."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([*command.split(), "--core", str(core), *options, "--json"])
    assert code == 0, command
    return json.loads(out.getvalue())


@pytest.fixture(scope="module", params=PROGRAMS.values(), ids=PROGRAMS)
def core(request, tmp_path_factory):
    """Return a program and the kernel's core of it."""
    name, flags = request.param
    directory = tmp_path_factory.mktemp("without-gdb")
    program = build(name, *flags)
    with running(program, directory=directory) as process:
        return program, kernel_core(process, directory)


def test_the_answers_are_gdbs(core, tmp_path):
    program, file = core
    taken = [tmp_path / f"{who}.heap" for who in ("gdbs", "mine")]
    by_gdb = ask([str(program), str(file)], COMMANDS, then=[f"heap snapshot --output {taken[0]}"])
    for command in COMMANDS:
        mine, gdbs = answer(command, file), by_gdb[command]
        if program.name.startswith("leaks-") and command in NAMED:
            # (Of this one, locals hold some blocks, which gdb names by them.)
            mine, gdbs = unnamed(mine), unnamed(gdbs)
        if command == "heap chunks":
            # (In their previews too; and gdb alone names places of which a symbol tells no size.)
            for row in (*mine["rows"], *gdbs["rows"]):
                row["preview"] = row["preview"] and re.sub(r" <[^>]*>", "", row["preview"].rpartition("  ")[2])
        assert mine == gdbs, command
    answer("heap snapshot", file, "--output", str(taken[1]))
    gdbs, mine = (read_snapshot(str(each)) for each in taken)
    assert all(np.array_equal(getattr(gdbs, each), getattr(mine, each)) for each in ("address", "size", "head"))
    if not program.name.startswith("leaks-"):
        assert [gdbs.names[each] for each in gdbs.kind] == [mine.names[each] for each in mine.kind]


def unnamed(answer: dict) -> list[tuple] | int:
    """Return what an answer says of each block, but for its name; how many blocks it names and does not."""
    if "by_role_blocks" in answer["totals"]:
        return answer["totals"]["blocks"]
    return sorted((row["example"], row["bytes"], row.get("count"), row.get("blocks")) for row in answer["rows"])


def test_a_fault_is_told_as_far_as_it_can_be(tmp_path):
    program = build("faults_pointers", "-Wno-error")
    core = tmp_path / "core"
    ask([str(program)], (), get_there=("run null_plus_offset", f"generate-core-file {core}"))
    (row, *_) = answer("fault", core)["rows"]
    assert (row["verdict"], row["address"]) == ("null_plus_offset", "0x8")


def test_the_program_may_lie_elsewhere(tmp_path, monkeypatch):
    """In a sysroot; without its files the answer says what is missing."""
    name = build("many_sizes")
    program = tmp_path / "there" / "program"
    program.parent.mkdir()
    shutil.copy(name, program)
    with running(program, directory=tmp_path) as process:
        core = kernel_core(process, tmp_path)
    usual = answer("heap chunks", core)["rows"]
    away = tmp_path / "sysroot"
    (away / str(program.parent).lstrip("/")).mkdir(parents=True)
    shutil.move(program, away / str(program).lstrip("/"))
    assert answer("heap chunks", core, "--sysroot", str(away))["rows"] == usual
    moved = tmp_path / "program"
    os.rename(away / str(program).lstrip("/"), moved)
    assert answer("heap chunks", core, "--program", str(moved))["rows"] == usual
    identity = ELFFile(moved.open("rb")).get_section_by_name(".note.gnu.build-id").data()[-20:].hex()
    monkeypatch.setenv("DEBUGINFOD_CACHE_PATH", str(tmp_path / "cache"))
    with debuginfod({f"/buildid/{identity}/executable": moved.read_bytes()}) as (url, asked):
        monkeypatch.setenv("DEBUGINFOD_URLS", url)
        assert asked == []
        served = answer("heap chunks", core, "--debuginfod")
    assert served["rows"] == usual
    assert any(note.startswith("debuginfod served 1 file") for note in served["notes"])
    # What was kept is found by who asks nobody.
    assert answer("heap chunks", core)["rows"] == usual


OF_PROCESSES = ("heap arenas", "heap sizes")


def test_a_process_is_read_without_a_trace(tmp_path):
    """Its answers are gdb's; neither it nor its parent hears of it, and it can be read where another traces it."""
    with running(build("threads"), directory=tmp_path) as process:
        pid = str(process.pid)
        mine = {command: _of_process(command, pid) for command in OF_PROCESSES}
        assert os.waitpid(process.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED) == (0, 0)
        state = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"State:\t[SR]", state) and "TracerPid:\t0" in state  # R: on its way to sleep again
        by_gdb = ask(["-p", pid], OF_PROCESSES)
        with held_threads(process.pid) as held:
            assert len(held.held) > 1 and not held.refused
            command = [sys.executable, "-m", "gdbheap", "heap", "--pid", pid, "--json"]
            result = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, check=True)
    said = rf"process {pid} was held for [0-9,]+ ms, without a signal, and runs on"
    for command, answer in mine.items():
        assert re.fullmatch(said, answer["notes"].pop())
        assert answer == by_gdb[command], command
    assert json.loads(result.stdout)["notes"][-1].startswith(f"process {pid} was read while it ran")


def _of_process(command: str, pid: str) -> dict:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*command.split(), "--pid", pid, "--json"]) == 0, command
    return json.loads(out.getvalue())


def test_what_cannot_be_is_one_line(tmp_path):
    core = tmp_path / "core"
    core.write_bytes(b"no core")
    for words, said in (
        (["heap", "leaks"], "needs a core"),
        (["heap", "leaks", "--pid", "0x12"], "--pid takes"),
        (["heap", "leaks", "--pid", str((1 << 22) + 1)], "there is no process"),
        (["heap", "frob", "--core", str(core)], "frob"),
        (["heap", "record", "--core", str(core)], "needs gdb"),
        (["heap", "leaks", "--core", str(core)], "core"),
        (["heap", "leaks", "--core", str(tmp_path / "none")], "No such file"),
    ):
        command = [sys.executable, "-m", "gdbheap", *words]
        result = subprocess.run(command, cwd=ROOT, env=variables(), capture_output=True, text=True, timeout=PATIENCE)
        assert result.returncode == 1 and result.stdout == "", (words, result)
        assert result.stderr.count("\n") == 1 and said in result.stderr, (words, result.stderr)
