"""The gdb of this machine, and what it says about itself: only gdb knows which Python it has inside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gdbheap.errors import HeapError
from gdbheap.packages import setup_command

OLDEST_PYTHON = (3, 9)
ANSWER = "gdbheap answers: "


class NoDebugger(HeapError):
    """gdb is missing, or cannot serve."""

    code = "no_gdb"


@dataclass(frozen=True)
class InstalledGdb:
    """`path` of gdb, its `version` as it prints it ("13.1"), and its `python` (3, 11), or None if it was built
    without."""

    path: str
    version: str = "unknown"
    python: tuple[int, int] | None = None

    def run(self, commands: Sequence[str], *words: str, timeout: float = 60) -> str:
        """Return all that gdb prints for `commands`, started on `words` without any .gdbinit; NoDebugger if it
        hangs."""
        line = [self.path, "-nx", "-q", "-batch", *(word for command in commands for word in ("-ex", command)), *words]
        try:
            result = subprocess.run(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoDebugger(f"{self.path} does not run: {error}") from None
        return result.stdout.decode(errors="replace")

    def ask(self, code: str, *words: str) -> Any:
        """Run `code` in gdb's Python, which hands its answer to `answer()`; return that, or None if it gave none."""
        code = f"def answer(value):\n import json\n print({ANSWER!r} + json.dumps(value))\n{code}"
        match = re.search(f"^{ANSWER}(.*)$", self.run([f"python exec({code!r}, dict())"], *words), re.M)
        return json.loads(match.group(1)) if match else None

    def usable_python(self) -> tuple[int, int]:
        """Return the version of the Python inside; NoDebugger if there is none or it is too old for gdbheap."""
        if self.python is None:
            raise NoDebugger(f"{self.path} has no Python inside; the full gdb has it: apt install gdb")
        if self.python < OLDEST_PYTHON:
            raise NoDebugger(
                f"{self.path} has Python {dotted(self.python)} inside; gdbheap needs {dotted(OLDEST_PYTHON)} or newer"
            )
        return self.python


def find_debugger(path: str = "gdb") -> InstalledGdb:
    """Return the gdb at `path` or of that name on PATH, having asked it about itself; NoDebugger if there is none."""
    found = shutil.which(path)
    if not found:
        raise NoDebugger(f"{path} is missing; what installs it: {setup_command()}")
    gdb = InstalledGdb(found)
    # "GNU gdb (Debian 13.1-3) 13.1"
    match = re.search(r"^GNU gdb (?:\(.*?\) )?(\d+\.\d+)", gdb.run(["show version"]), re.M)
    python = gdb.ask("import sys; answer(sys.version_info[:2])")
    return InstalledGdb(found, match.group(1) if match else "unknown", tuple(python) if python else None)


def dotted(version: tuple[int, int]) -> str:
    """Return "3.11" for (3, 11)."""
    return f"{version[0]}.{version[1]}"
