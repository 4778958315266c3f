"""`python3 -m gdbheap report`: the page of `heap report`, of a process or a core, without a session."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gdbheap.launch.launcher import Launch
from gdbheap.launch.one_shot import do_on_core, do_on_process, quiet


def write_report(launch: Launch, target: str, file: str | None) -> int:
    """Write the page of a process (by its id) or of a core, and say so; return the exit status, 1 where there is no
    page."""
    is_pid = target.isdecimal() and not Path(target).exists()
    if file == "-":
        page = ["gdbheap heap report -"]
        return do_on_process(launch, int(target), page) if is_pid else do_on_core(launch, target, None, page)
    words = launch.attach(int(target)) if is_pid else launch.core(target, None)
    path = file or f"{f'heap-{target}' if is_pid else os.path.basename(target)}.html"
    before = _made(path)
    gdb = [*quiet(words), "-ex", f"gdbheap heap report {_quoted(path)}"]
    subprocess.run(gdb, check=False, stdin=subprocess.DEVNULL)
    return int(_made(path) == before)


def _made(path: str) -> tuple[int, int] | None:
    """Return what is different for a file that was written since."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
