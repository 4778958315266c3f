"""One gdb for many questions: attached once, told line after line."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from support.gdb_runs import ROOT, TELL_TALES, Answers, gdb_words, variables
from support.programs import PATIENCE

_MARK = "\x02said\x03"


class HeldGdb:
    """gdb on a target (its command-line words), with gdbheap, until close()."""

    def __init__(self, target: Sequence[str]) -> None:
        words = gdb_words(["gdb", "-nx", "-q", "-iex", "set confirm off", "-iex", "set pagination off"])
        self._gdb = subprocess.Popen(
            [*words, "-iex", "set width 0", "-iex", "set prompt ", "-ex", f"source {ROOT / 'gdb_init.py'}", *target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=variables(),
            start_new_session=True,
        )
        self._said = b""

    def say(self, lines: Sequence[str]) -> str:
        """Have gdb execute the lines; return what it said to them. Fail on a traceback, gdb's end or no end within
        PATIENCE."""
        assert self._gdb.stdin is not None
        self._gdb.stdin.write("".join(f"{line}\n" for line in (*lines, f"echo {_MARK}")).encode())
        self._gdb.stdin.flush()
        text = self._until(_MARK.encode()).decode(errors="replace")
        assert not any(word in text for word in TELL_TALES), text
        return text

    def ask(self, commands: Sequence[str], before: Sequence[str] = (), after: Sequence[str] = ()) -> Answers:
        """Say the lines `before`, each command with --json, and the lines `after`; return the answers."""
        with tempfile.TemporaryDirectory() as directory:
            files = {command: Path(directory) / str(number) for number, command in enumerate(commands)}
            asked = [f"{command} --json --output {file}" for command, file in files.items()]
            text = self.say([*before, *asked, *after])
            answers = {command: json.loads(file.read_text()) for command, file in files.items() if file.exists()}
        return Answers(text, answers)

    def close(self) -> None:
        """End gdb, which lets the process go."""
        if self._gdb.poll() is None:
            self._gdb.stdin.close()  # type: ignore[union-attr]
            try:
                self._gdb.wait(PATIENCE)
            finally:
                if self._gdb.poll() is None:
                    os.killpg(self._gdb.pid, signal.SIGKILL)
        self._gdb.wait()

    def _until(self, mark: bytes) -> bytes:
        assert self._gdb.stdout is not None
        end = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._gdb.stdout, selectors.EVENT_READ)
            while mark not in self._said:
                assert selector.select(end - time.monotonic()), f"no end within {PATIENCE} s: {self._said!r}"
                piece = os.read(self._gdb.stdout.fileno(), 1 << 16)
                assert piece, f"gdb ended: {self._said!r}"
                self._said += piece
        text, _, self._said = self._said.partition(mark)
        return text
