"""gdbheap where gdb is driven by a program: MI (VS Code's -exec, Emacs' gud), DAP, and gdb's own TUI."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from support.gdb_runs import ROOT, gdb_words, run_gdb, variables
from support.programs import PATIENCE, build

COMMANDS = ("heap chunks --count 3", "heap leaks", "vmmap heap")
UNKNOWN = "heap frob"
LOAD = ["-iex", "set confirm off", "-iex", f"source {ROOT / 'gdb_init.py'}"]


@pytest.fixture(scope="module")
def usual():
    """Return what each command says in a terminal's place, as a batch run has it."""
    words = ["gdb", "-nx", "-q", "-batch", *LOAD, "-ex", "break look_here", "-ex", "run > /dev/null"]
    for command in COMMANDS:
        words += ["-ex", "echo \\n@@\\n", "-ex", command]
    return [text.strip() for text in run_gdb([*words, str(build("demo"))]).split("\n@@\n")[1:]]


class Driven:
    """gdb with a pipe or a terminal on either side."""

    def __init__(self, words, terminal=False):
        ours, its = pty.openpty() if terminal else (None, subprocess.PIPE)
        self._gdb = subprocess.Popen(
            gdb_words(["gdb", "-nx", "-q", *LOAD, *words]),
            stdin=its,
            stdout=its,
            stderr=subprocess.STDOUT,
            env={**variables(), "TERM": "xterm", "LINES": "60", "COLUMNS": "100"},
            start_new_session=True,
        )
        if terminal:
            os.close(its)
        self._in = self._gdb.stdin.fileno() if ours is None else ours
        self._out = self._gdb.stdout.fileno() if ours is None else ours
        self.said = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._gdb.poll() is None:
            os.killpg(self._gdb.pid, signal.SIGKILL)
        self._gdb.wait()

    def write(self, text):
        os.write(self._in, text.encode())

    def until(self, pattern):
        """Read on until the pattern matches what has come since the last match; return the match."""
        end = time.monotonic() + PATIENCE
        while not (match := re.search(pattern, self.said, re.S)):
            assert select.select([self._out], [], [], max(end - time.monotonic(), 0))[0], self.said
            piece = os.read(self._out, 1 << 16)
            assert piece, self.said
            self.said += piece
        self.said = self.said[match.end() :]
        return match


def test_mi_has_the_answers_as_streams_and_errors_as_errors(usual):
    with Driven(["-i", "mi3", str(build("demo"))]) as gdb:
        gdb.write('-interpreter-exec console "break look_here"\n-exec-run\n')
        gdb.until(rb'\*stopped,reason="breakpoint-hit".*?\(gdb\) ?\n')
        for number, (command, text) in enumerate(zip(COMMANDS, usual), 1):
            gdb.write(f'{number}-interpreter-exec console "{command}"\n')
            told = gdb.until(rb"(.*?)\n%d\^done" % number)[1].decode()
            streams = re.findall(r'^~"(.*)"$', told, re.M)
            said = "".join(streams).encode("latin-1", "backslashreplace").decode("unicode_escape", "replace")
            # (What is no ASCII is in octal, a byte each.)
            said = said.encode("latin-1", "replace").decode("utf-8", "replace").strip()
            assert without_addresses(said) == without_addresses(text), told
        gdb.write(f'9-interpreter-exec console "{UNKNOWN}"\n')
        assert b"frob" in gdb.until(rb'9\^error,msg="(.*?)"\n')[1]


def test_dap_answers_in_the_debug_console(usual):
    version = run_gdb(["gdb", "--version"]).splitlines()[0]
    if int(re.search(r" (\d+)\.\d+", version)[1]) < 14:
        return  # the first that speaks it
    with Driven(["-i", "dap"]) as gdb:
        number = 0

        def request(command, **arguments):
            nonlocal number
            number += 1
            body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments})
            gdb.write(f"Content-Length: {len(body)}\r\n\r\n{body}")

        def message(**wanted):
            while True:
                size = int(gdb.until(rb"Content-Length: (\d+)\r\n\r\n")[1])
                found = json.loads(gdb.until(rb".{%d}" % size)[0])
                if all(found.get(name) == value for name, value in wanted.items()):
                    return found

        request("initialize", adapterID="test")
        message(type="response", command="initialize")
        request("launch", program=str(build("demo")))
        request("setFunctionBreakpoints", breakpoints=[{"name": "look_here"}])
        request("configurationDone")
        message(type="event", event="stopped")
        for command, text in zip(COMMANDS, usual):
            request("evaluate", expression=command, context="repl")
            said = message(type="response", command="evaluate")
            assert said["success"], said
            assert without_addresses(said["body"]["result"].strip()) == without_addresses(text)


def test_the_tui_shows_them_and_goes_on():
    with Driven([str(build("demo"))], terminal=True) as gdb:
        gdb.write("break look_here\nrun > /dev/null\n")
        gdb.until(rb"Breakpoint 1, ")
        gdb.write("tui enable\nheap leaks\n")
        gdb.until(rb"definitely lost: 1 block")
        gdb.write("vmmap heap\n")
        gdb.until(rb"main arena")
        gdb.write("tui disable\nprint 6 * 7\n")
        gdb.until(rb"= 42")


def without_addresses(text):
    return re.sub(r"0x[0-9a-f]{6,}", "0x?", text)
