"""The packages of gdb's Python: fetched by a real pip, tried in the real gdb, and put in place whole or not at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from gdbheap.launch import python_packages
from gdbheap.launch.debian import NotInstalled
from gdbheap.launch.debugger import find_debugger

MODULES = {"numpy": "numpy", "pyelftools": "elftools", "pygments": "pygments"}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a tiny wheel of each package; pip looks nowhere else, and gdb's Python has none of them."""
    place = tmp_path / "wheels"
    place.mkdir()
    for package, module in MODULES.items():
        make_wheel(place, package, module, "__version__ = '99.1'\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_USER", "1")  # what --target does not go together with
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return place


def make_wheel(place: Path, package: str, module: str, code: str) -> None:
    info = f"{package}-99.1.dist-info"
    with zipfile.ZipFile(place / f"{package}-99.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}/__init__.py", code)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 99.1\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def contents(data: Path) -> list[str]:
    return sorted(path.name for path in data.iterdir() if not path.name.endswith(".lock"))


def test_all_are_installed_and_found_by_gdb(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gdb = find_debugger()
    data = tmp_path / "data"
    monkeypatch.setenv("PIP_FIND_LINKS", f"{wheels} {tmp_path / 'nowhere'}")  # of which pip warns
    python_packages.install(gdb, data / "python3")
    assert capfd.readouterr() == ("", "")
    assert contents(data) == ["python3"]
    assert {module for module in MODULES.values() if not (data / "python3" / module).is_dir()} == set()
    assert python_packages.lacking(gdb, data / "python3") == []


def test_a_newer_install_replaces_an_older_one(wheels: Path, tmp_path: Path) -> None:
    old = tmp_path / "data" / "python3"
    old.mkdir(parents=True)
    (old / "stale.py").touch()
    python_packages.install(find_debugger(), old)
    assert not (old / "stale.py").exists()
    assert contents(tmp_path / "data") == ["python3"]


def test_a_failed_install_changes_nothing_and_pip_says_why(
    wheels: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (wheels / "pygments-99.1-py3-none-any.whl").unlink()
    old = tmp_path / "data" / "python3"
    old.mkdir(parents=True)
    (old / "kept.py").touch()
    with pytest.raises(NotInstalled, match="pip could not fetch them"):
        python_packages.install(find_debugger(), old)
    assert "No matching distribution found for pygments" in capfd.readouterr().err
    assert [path.name for path in old.iterdir()] == ["kept.py"]
    assert contents(tmp_path / "data") == ["python3"]


def test_what_gdb_cannot_import_is_not_installed(wheels: Path, tmp_path: Path) -> None:
    make_wheel(wheels, "pyelftools", "elftools", "raise ImportError('built for another machine')\n")
    with pytest.raises(NotInstalled, match="elftools: built for another machine"):
        python_packages.install(find_debugger(), tmp_path / "data" / "python3")
    assert contents(tmp_path / "data") == []
