"""Set-up and doctor on this very system, with all there, and with what is missing made to be missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gdbheap.launch import debian, places
from gdbheap.launch.debugger import NoDebugger, find_debugger

APT = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/said"
[ "$DEBIAN_FRONTEND" = noninteractive ]
"""


def gdbheap(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    command = [sys.executable, "-m", "gdbheap", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=places.root(), env=environment)


def test_setup_with_nothing_missing_says_so_and_installs_nothing() -> None:
    gdb = find_debugger()
    gdbheap("setup", PATH="/usr/bin:/bin")  # compiles what makes large heaps fast, if that is not done yet
    result = gdbheap("setup", PATH="/usr/bin:/bin")
    version = ".".join(map(str, gdb.usable_python()))
    assert (
        result.stdout
        == f"Nothing to install: gdb {gdb.version} with Python {version} has everything that gdbheap needs.\n"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_doctor_finds_all_well() -> None:
    result = gdbheap("doctor")
    marks = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert (result.returncode, set(marks)) == (0, {"ok"}), result.stdout
    assert "with debug symbols" in result.stdout
    assert "gdb starts and stops them" in result.stdout


def test_doctor_names_each_missing_package_and_the_command_that_mends_it(tmp_path: Path) -> None:
    result = gdbheap("doctor", PYTHONPATH="", XDG_DATA_HOME=str(tmp_path))
    lines = result.stdout.splitlines()
    for package in ("numpy", "pyelftools"):
        index = next(i for i, line in enumerate(lines) if line.startswith(f"MISSING  {package} "))
        assert lines[index + 1].strip() == "python3 -m gdbheap setup"
    assert result.returncode == 1


def test_doctor_without_a_gdb_stops_there() -> None:
    result = gdbheap("--gdb", "no-such-gdb", "doctor")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-2:] == [
        "MISSING  gdb                 no-such-gdb is missing; what installs it: python3 -m gdbheap setup",
        "                             python3 -m gdbheap setup",
    ]


def test_a_gdb_without_python_is_named(tmp_path: Path) -> None:
    # What such a build of gdb says; Debian's gdb-minimal is one.
    wrapper = tmp_path / "gdb"
    wrapper.write_text(
        "#!/bin/sh\necho 'GNU gdb (GDB) 9.2'\necho 'Scripting in Python is not supported in this copy of GDB.'\n"
    )
    wrapper.chmod(0o755)
    gdb = find_debugger(str(wrapper))
    assert (gdb.version, gdb.python) == ("9.2", None)
    with pytest.raises(NoDebugger, match="has no Python inside; the full gdb has it: apt install gdb"):
        gdb.usable_python()


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that writes down what it was told, and a sudo for who is not root, first on PATH."""
    program = tmp_path / "apt-get"
    program.write_text(APT)
    program.chmod(0o755)
    (tmp_path / "sudo").write_text('#!/bin/sh\n[ "$1" = --non-interactive ] && shift\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "said"


def test_packages_are_installed_in_one_go(apt: Path) -> None:
    debian.install(["gdb", "gcc"])
    assert apt.read_text() == "--quiet=2 update\n--quiet=2 install --yes --no-install-recommends gdb gcc\n"


def test_no_apt_get_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        debian.NotInstalled, match="no apt-get here; install with this system's package manager what Debian calls gdb"
    ):
        debian.install(["gdb"])


def test_what_is_installed_is_known_to_dpkg() -> None:
    assert debian.missing(["dpkg", "no-such-package-at-all"]) == ["no-such-package-at-all"]
