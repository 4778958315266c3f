"""The same tests without the compiled kernel and with it: a test file that imports `kernels` runs twice."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gdbheap.kernel import kernel as kernel_module
from gdbheap.kernel import library
from gdbheap.kernel.kernel import CompiledLoops
from gdbheap.launch.compiled_kernel import compile_kernel


@functools.cache
def compiled() -> CompiledLoops:
    """Return the kernel, compiled for these tests alone."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", directory)
        patch.delenv(library.SWITCH, raising=False)
        assert compile_kernel()
        loaded = library.load()
        assert loaded is not None
        return CompiledLoops(loaded)


@pytest.fixture(scope="module", autouse=True, params=["numpy", "compiled"])
def kernels(request: pytest.FixtureRequest) -> Iterator[CompiledLoops | None]:
    """Have all work done by numpy, then by the kernel, however little it is."""
    used = compiled() if request.param == "compiled" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel_module, "_loaded", [used])
        yield used


def data_home(directory: Path) -> dict[str, str]:
    """Return an environment in which the kernel is compiled in this directory, beside the packages of set-up."""
    home = directory / "gdbheap"
    home.mkdir(parents=True, exist_ok=True)
    theirs = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "gdbheap"
    for each in theirs.glob("python*") if theirs.is_dir() else ():
        (home / each.name).symlink_to(each)
    return {"XDG_DATA_HOME": str(directory)}
