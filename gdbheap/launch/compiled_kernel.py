"""Compiling the kernel: the costly loops in C, for whoever has a compiler; nobody needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gdbheap.errors import HeapError
from gdbheap.files import open_new, read_regular
from gdbheap.kernel.library import is_turned_off, library_path, load, sealed, source_path

_MOST = 1 << 20
# No start files, for they need packages of the C library: what the kernel calls, the process that loads it has.
_FLAGS = ("-O2", "-shared", "-fPIC", "-nostdlib", "-x", "c")


def compiler() -> str | None:
    """Return the path of a C compiler, None where there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def state() -> tuple[str, str]:
    """Return what is to be said of the kernel here, and how to get it ("": it is in use, or not wanted)."""
    if is_turned_off():
        return "turned off by GDBHEAP_KERNEL", ""
    if load() is not None:
        return f"compiled, in {library_path()}", ""
    return "not compiled: numpy alone reads heaps of millions of blocks, about two times slower", (
        "python3 -m gdbheap setup" if compiler() else "apt install gcc, then python3 -m gdbheap setup"
    )


def compile_kernel() -> bool:
    """Compile the kernel unless that is done; return whether it was. A failure is silent: numpy does the same."""
    path = compiler()
    if path is None or is_turned_off() or load() is not None:
        return False
    try:
        target = Path(library_path())
        if not target.is_absolute():
            return False
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=target.parent) as scratch:
            made = os.path.join(scratch, "made.so")
            words = [path, *_FLAGS, source_path(), "-o", made]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, cwd="/")
            whole = os.path.join(scratch, "whole.so")
            with open_new(whole) as file:
                file.write(sealed(read_regular(made, _MOST)))
            os.replace(whole, target)
    except (OSError, subprocess.SubprocessError, HeapError):
        return False
    return load() is not None
