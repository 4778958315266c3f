"""Where the packages of gdb's Python live, and what is said when one is missing."""

from __future__ import annotations

import sys
from pathlib import Path

from gdbheap import packages
from gdbheap.__main__ import main


def test_each_version_of_python_has_a_directory_of_its_own(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert packages.directory((3, 13)) == Path("/data/gdbheap/python3.13")


def test_without_an_absolute_xdg_data_home_the_directory_is_in_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_DATA_HOME", value)
        assert packages.directory((3, 9)) == Path("/home/someone/.local/share/gdbheap/python3.9")


def test_a_missing_package_is_named_with_the_command_that_mends_it(monkeypatch):
    monkeypatch.setitem(packages.REQUIRED, "no_such_module_here", "no-such-package")
    assert packages.missing() == ("no-such-package",)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert packages.advice(("numpy", "pyelftools")) == (
        f"gdbheap: numpy, pyelftools are missing for gdb's Python {version}; run: python3 -m gdbheap setup"
    )


def test_the_command_works_where_it_is_typed(monkeypatch, tmp_path):
    root = Path(packages.__file__).parents[1]
    monkeypatch.chdir(root)
    assert packages.setup_command() == "python3 -m gdbheap setup"
    monkeypatch.chdir("/")
    assert packages.setup_command() == f"PYTHONPATH={root} python3 -m gdbheap setup"
    site = tmp_path / "a venv" / "lib" / "python3.11" / "site-packages"
    (tmp_path / "a venv" / "bin").mkdir(parents=True)
    (tmp_path / "a venv" / "bin" / "gdbheap").touch()
    monkeypatch.setattr(packages, "__file__", str(site / "gdbheap" / "packages.py"))
    assert packages.setup_command() == f"'{tmp_path}/a venv/bin/gdbheap' setup"


def test_diff_needs_numpy_and_nothing_else(monkeypatch, capsys):
    monkeypatch.setattr(packages, "missing", lambda: ("numpy",))
    assert main(["diff", "a", "b"]) == 2  # trouble, as of diff
    version = ".".join(map(str, sys.version_info[:2]))
    assert capsys.readouterr().err == (
        f"gdbheap: diff needs numpy, which is not installed for Python {version}: apt install python3-numpy (or pip "
        "install numpy)\n"
    )
    monkeypatch.setattr(packages, "missing", lambda: ("pyelftools", "pygments"))
    assert main(["diff", "/", "b"]) == 2
    assert capsys.readouterr().err == "gdbheap: cannot read /: it is not a regular file\n"
