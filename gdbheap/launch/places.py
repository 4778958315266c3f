"""Where this copy of gdbheap keeps its files: in a checkout, or inside the installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def root() -> Path:
    """Return the directory that holds gdb_init.py and fixtures/: the package's own when installed by pip, else the
    checkout."""
    return PACKAGE if (PACKAGE / "gdb_init.py").is_file() else PACKAGE.parent


def gdb_init() -> Path:
    """Return the file that gdb sources."""
    return root() / "gdb_init.py"


def program_source(name: str) -> Path:
    """Return the source of one of the programs that come with gdbheap: "demo" -> .../fixtures/programs/demo.c."""
    return root() / "fixtures" / "programs" / f"{name}.c"
