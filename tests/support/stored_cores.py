"""The cores of fixtures/cores: unpacked once a session, and read without gdb and without the files that ran."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from gdbheap.__main__ import main

CORES = Path(__file__).parents[2] / "fixtures" / "cores"
_unpacked = tempfile.TemporaryDirectory(prefix="gdbheap-cores-")


@functools.cache
def core_of(name: str) -> Path:
    """Return the core ("aarch64/leaks"), unpacked (mostly holes)."""
    path = Path(_unpacked.name) / name.replace("/", "-")
    with lzma.open(CORES / f"{name}.core.xz") as packed, path.open("wb") as file:
        while piece := packed.read(1 << 16):
            if any(piece):
                file.write(piece)
            else:
                file.seek(len(piece), io.SEEK_CUR)
        file.truncate()
    return path


def said_by(name: str) -> str:
    """Return what the program wrote."""
    return lzma.open(CORES / f"{name}.said.xz").read().decode()


def answer(name: str, command: str) -> dict[str, Any]:
    """Return what `python3 -m gdbheap COMMAND --core CORE --json` writes."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*command.split(), "--core", str(core_of(name)), "--json"]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found
