"""The kernel's file: made once for its source, and loaded only where it is this user's own and whole."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest

from gdbheap.kernel import kernel as kernel_module
from gdbheap.kernel import library
from gdbheap.kernel.kernel import kernel
from gdbheap.launch import compiled_kernel
from gdbheap.launch.compiled_kernel import compile_kernel, state


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Compile the kernel, and return where it lies."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(library.SWITCH, raising=False)
    monkeypatch.setattr(kernel_module, "_loaded", [])
    assert compile_kernel()
    return Path(library.library_path())


def test_it_is_compiled_once_and_said_to_be(place):
    assert state() == (f"compiled, in {place}", "")
    assert not compile_kernel()
    assert [each.name for each in place.parent.iterdir()] == [place.name]
    assert kernel() is None  # nothing to do is not worth loading it
    assert kernel(1 << 20) is not None
    assert kernel() is kernel(1 << 20)


def test_no_file_is_loaded_that_is_cut_changed_or_anothers(place):
    whole = place.read_bytes()
    for other in (b"", whole[:100], whole[:-1], whole[:4000] + b"!" + whole[4001:], b"x" * (1 << 21)):
        place.write_bytes(other)
        assert library.load() is None
    place.write_bytes(whole)
    assert library.load() is not None
    for path, mode in ((place, 0o620), (place, 0o602), (place.parent, 0o777), (place.parent, 0o730)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert library.load() is None
        path.chmod(before)
    place.unlink()
    os.mkfifo(place)
    assert library.load() is None


def test_a_file_of_another_user_is_not_loaded(place, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert library.load() is None


def test_another_source_has_another_file(place, monkeypatch, tmp_path):
    source = tmp_path / "kernel.c"
    source.write_text(Path(library.source_path()).read_text() + "\n")
    monkeypatch.setattr(library, "source_path", lambda: str(source))
    assert library.library_path() != str(place)
    assert library.load() is None


def test_a_python_without_ctypes_has_none(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert library.load() is None
    assert kernel(1 << 20) is None


def test_the_switch_turns_it_off(place, monkeypatch):
    monkeypatch.setenv(library.SWITCH, "off")
    assert kernel(1 << 20) is None
    assert state()[0] == "turned off by GDBHEAP_KERNEL"


def test_a_library_that_lacks_a_loop_is_none(place, monkeypatch):
    monkeypatch.setattr(library, "load", lambda: ctypes.CDLL(None))
    assert kernel(1 << 20) is None


def test_without_a_compiler_there_is_none_and_doctor_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(compiled_kernel, "compiler", lambda: None)
    assert not compile_kernel()
    assert list(tmp_path.iterdir()) == []
    assert state()[1] == "apt install gcc, then python3 -m gdbheap setup"


def test_a_compiler_that_fails_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(compiled_kernel, "compiler", lambda: "/bin/false")
    assert not compile_kernel()
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
