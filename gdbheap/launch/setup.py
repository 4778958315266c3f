"""Set-up: say what is missing, install it, and change nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from gdbheap.errors import HeapError
from gdbheap.launch import debian, python_packages
from gdbheap.launch.compiled_kernel import compile_kernel
from gdbheap.launch.debugger import InstalledGdb, dotted, find_debugger
from gdbheap.launch.launcher import MULTIARCH
from gdbheap.packages import REQUIRED, directory

GDB = ("gdb",)
COMPILER = ("gcc", "libc6-dev")
SYMBOLS = ("libc6-dbg",)


def set_up(gdb_path: str = "gdb", compiler: bool = False) -> InstalledGdb:
    """Install what is missing of gdb, libc's debug symbols, the Python packages for gdb and, if asked for, a C
    compiler.

    Returns the gdb that is there then. Raises NoDebugger or NotInstalled, whose text says what to do.
    """
    gdb_package = (MULTIARCH,) if gdb_path == MULTIARCH else GDB
    wanted = [*(gdb_package if not shutil.which(gdb_path) else ()), *(COMPILER if compiler and not compiles() else ())]
    symbols = debian.missing(SYMBOLS) if shutil.which("dpkg-query") else []
    if wanted or symbols:
        print(f"Installing with apt-get: {' '.join([*wanted, *symbols])}")
        print(f"Then, for gdb's own Python, if it lacks them: {', '.join(sorted(REQUIRED.values()))}", flush=True)
    if wanted:
        debian.install([*wanted, *symbols])
    elif symbols:
        _install_symbols(symbols)
    gdb = find_debugger(gdb_path)
    place = directory(gdb.usable_python())
    lacking = python_packages.lacking(gdb, place)
    if lacking:
        print(
            f"Installing for gdb's Python {dotted(gdb.usable_python())}: {', '.join(lacking)}, into {_short(place)}",
            flush=True,
        )
        python_packages.install(gdb, place)
    compiled = compile_kernel()
    if compiled:
        print("Compiled the loops that make large heaps fast to read.", flush=True)
    if not (wanted or symbols or lacking or compiled):
        print(
            f"Nothing to install: gdb {gdb.version} with Python {dotted(gdb.usable_python())} has everything that "
            "gdbheap needs."
        )
    return gdb


def compiles() -> bool:
    """True if gcc is here together with the C library's headers."""
    if not shutil.which("gcc"):
        return False
    test = ["gcc", "-E", "-include", "stdlib.h", "-x", "c", "/dev/null"]
    return subprocess.run(test, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _install_symbols(names: list[str]) -> None:
    """Install the debug symbols; gdbheap works without them, if with less certainty, so failing is only a line."""
    try:
        debian.install(names)
    except HeapError as error:
        print(f"Going on without {' '.join(names)}: {error}", flush=True)


def _short(path: Path) -> str:
    home = str(Path.home())
    return f"~{str(path)[len(home) :]}" if str(path).startswith(home + "/") else str(path)
