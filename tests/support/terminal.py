"""gdb on a terminal: what it prints there when commands are typed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from support.gdb_runs import ROOT
from support.programs import PATIENCE


def typed(*commands, height=0, more=(), **variables):
    """Return what gdb prints on a terminal of so many lines (0: unlimited) when these are typed; gdb's pager is told
    to quit."""
    words = [
        "gdb",
        "-nx",
        "-q",
        *more,
        "-iex",
        "set height 0",
        "-ex",
        f"source {ROOT / 'gdb_init.py'}",
        "-ex",
        f"set height {height}",
    ]
    for command in (*commands, "set height 0", "quit"):
        words += ["-ex", command]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **variables}
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            text = read_terminal(ours)
        finally:
            process.kill()
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def read_terminal(terminal):
    text, end = b"", time.monotonic() + PATIENCE
    while True:
        assert select.select([terminal], [], [], max(end - time.monotonic(), 0))[0], text
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # its other side is closed
            return text
        text += piece
        if b"--Type <RET>" in piece:
            os.write(terminal, b"q\n")
