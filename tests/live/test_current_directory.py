"""A current directory that is somebody else's: modules that lie there are not loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support.gdb_runs import ROOT
from support.programs import build

NAMES = (
    "argparse",
    "bisect",
    "ctypes",
    "gdb",
    "json",
    "numpy",
    "elftools",
    "pygments",
    "re",
    "struct",
    "tempfile",
    "zlib",
    "pip",
    "venv",
)


@pytest.fixture
def trap(tmp_path):
    """A directory with modules that leave a mark when they are loaded, gdbheap itself among them."""
    code = f"open({str(tmp_path / 'mark')!r}, 'a').write(__name__ + ' ')\n"
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(code)
    (tmp_path / "gdbheap").mkdir()
    for name in ("__init__", "__main__", "packages"):
        (tmp_path / "gdbheap" / f"{name}.py").write_text(code)
    return tmp_path


def test_gdb_init_loads_nothing_from_the_current_directory(trap):
    words = ["gdb", "-nx", "-q", "-batch", "-x", str(ROOT / "gdb_init.py")]
    for line in (
        "break inspected",
        "run < /dev/null > /dev/null",
        "heap leaks",
        "fault",
        "heap --json --output answer",
    ):
        words += ["-ex", line]
    result = subprocess.run(
        [*words, str(build("mixed"))], cwd=trap, capture_output=True, text=True, timeout=240, check=False
    )
    assert (trap / "answer").read_text().startswith("{"), result.stdout + result.stderr
    assert not (trap / "mark").exists()


def test_set_up_loads_nothing_from_the_current_directory(trap):
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from gdbheap.launch import python_packages as packages\n"
    code += "import os; os.chdir(sys.argv[1])\n"
    code += "packages._version_of(sys.executable); packages._runs([sys.executable, '-m', 'pip', '--version'])"
    subprocess.run([sys.executable, "-c", code, str(trap)], cwd="/", check=True, timeout=240)
    assert not (trap / "mark").exists()


def test_the_way_to_start_that_readme_names_loads_nothing_from_the_current_directory(trap):
    """What pip installs as `gdbheap` has its own directory first on the path, as any script."""
    (trap.parent / "gdbheap.script").write_text("from gdbheap.__main__ import main\nmain(['--help'])\n")
    starts = [[sys.executable, str(trap.parent / "gdbheap.script")]]
    if sys.version_info >= (3, 11):
        starts.append([sys.executable, "-P", "-m", "gdbheap", "--help"])
    for words in starts:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        }
        result = subprocess.run(
            words, cwd=trap, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert "usage: gdbheap" in result.stdout, result.stderr
        assert not (trap / "mark").exists()
