"""`python3 -m gdbheap run, attach, core`: the real gdb, with the plugin in it, on the real thing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gdbheap import __version__
from gdbheap.launch import places
from gdbheap.launch.demo import build


def gdbheap(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run the launcher with these words and `typed` on its standard input."""
    command = [sys.executable, "-m", "gdbheap", *words]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=240, cwd=places.root())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(places.program_source("demo"), tmp_path_factory.mktemp("launcher") / "demo")


def test_run_hands_the_program_its_arguments(program: Path) -> None:
    typed = "set confirm off\nshow args\nbreak look_here\nrun\ngdbheap\nquit\n"
    result = gdbheap("run", "--gdb-option=-nx", str(program), "one", "--version", typed=typed)
    assert 'Argument list to give program being debugged when it is started is "one --version".' in result.stdout
    assert re.search(rf"^(\(gdb\) )?gdbheap +{re.escape(__version__)}$", result.stdout, re.M)
    assert result.returncode == 0


def test_attach_and_leave_it_running(program: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            result = gdbheap("attach", "--gdb-option=-nx", str(process.pid), typed="gdbheap\ndetach\nquit\n")
            assert re.search(rf"^process +live process {process.pid}, 64 bits, 1 thread", result.stdout, re.M)
            assert process.poll() is None
        finally:
            process.kill()


def test_core_finds_its_program(program: Path, tmp_path: Path) -> None:
    core = tmp_path / "core"
    generate = ["-ex", "break look_here", "-ex", "run", "-ex", f"generate-core-file {core}", "-ex", "kill"]
    subprocess.run(["gdb", "-nx", "-batch", *generate, program], check=True, capture_output=True)
    result = gdbheap("core", "--gdb-option=-nx", str(core), typed="gdbheap\nprint desk->ledger\nquit\n")
    assert '"The ledger of the order desk"' in result.stdout
    named = gdbheap("core", "--gdb-option=-nx", str(core), str(program), typed="print desk->ledger\nquit\n")
    assert '"The ledger of the order desk"' in named.stdout


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["run", "/no/such"], "gdbheap: /no/such is not there\n"),
        (["run", "/etc/passwd"], "gdbheap: /etc/passwd is no program that can be run\n"),
        (["attach", "999999999"], "gdbheap: there is no process 999999999\n"),
        (["core", "/etc/passwd"], "gdbheap: /etc/passwd is no core file (it does not begin as an ELF file does)\n"),
        (["core", "/no/such"], "gdbheap: cannot read /no/such: No such file or directory\n"),
        (
            ["--gdb", "/no/gdb", "run", "/bin/true"],
            "gdbheap: /no/gdb is missing; what installs it: python3 -m gdbheap setup\n",
        ),
    ],
)
def test_an_error_is_one_line(words: list[str], line: str) -> None:
    result = gdbheap(*words)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", line)


def test_who_reads_no_further_sees_no_traceback() -> None:
    command = [sys.executable, "-m", "gdbheap", "help", "commands"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=places.root()) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_version_and_help() -> None:
    assert gdbheap("--version").stdout == f"gdbheap {__version__}\n"
    text = gdbheap("--help").stdout
    assert f"source {places.root() / 'gdb_init.py'}\n" in text
    for name in ("run", "attach", "core", "demo", "setup", "doctor"):
        assert f"\n    {name} " in text
        assert gdbheap(name, "--help").returncode == 0


def test_the_files_that_gdb_needs_are_where_the_launcher_looks() -> None:
    assert places.gdb_init().is_file()
    assert os.access(places.program_source("demo"), os.R_OK)
