"""`python3 -m gdbheap report`: the page of `heap report`, of a process or a core, without a session."""

from __future__ import annotations

import os
from pathlib import Path

from gdbheap.launch.launcher import Launch
from gdbheap.launch.one_shot import do_on_core, do_on_process


def write_report(launch: Launch, target: str, file: str | None) -> int:
    """Write the page of a process (by its id) or of a core, and say so; return the exit status, 1 where there is no
    page."""
    is_pid = target.isdecimal() and not Path(target).exists()
    path = file or f"{f'heap-{target}' if is_pid else os.path.basename(target)}.html"
    page = [f"gdbheap heap report {_quoted(path)}"]
    return do_on_process(launch, int(target), page) if is_pid else do_on_core(launch, target, None, page)


def _quoted(path: str) -> str:
    return path if path == "-" else '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
