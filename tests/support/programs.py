"""The programs of fixtures/programs: built with the system's own gcc, started, waited for without sleeping, and
ended."""

from __future__ import annotations

import functools
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from support.kept import kept_build
from support.ledger import Ledger, read_ledger

SOURCES = Path(__file__).parents[2] / "fixtures" / "programs"
PATIENCE = 240.0  # seconds for what takes one or two where nothing else runs

_built = tempfile.TemporaryDirectory(prefix="gdbheap-programs-")


@functools.cache
def build(name: str, *flags: str) -> Path:
    """Return the program, NAME.c or NAME.cc, compiled with these flags (once per session)."""
    source = next(path for path in (SOURCES / f"{name}.c", SOURCES / f"{name}.cc") if path.exists())
    target = Path(_built.name) / "-".join([name, *(flag.strip("-").replace("=", "_") for flag in flags)])
    compiler = "gcc" if source.suffix == ".c" else "g++"
    command = [compiler, "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", *flags]
    kept_build([*command, str(source)], (source, *SOURCES.glob("*.h")), target)
    return target


class Running:
    """A started program that has come to its stop. `ledger` is what it has told so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        assert process.stdout is not None
        self._text = read_until(process.stdout, b"ready\n").decode()
        self.ledger = read_ledger(self._text)

    @property
    def text(self) -> str:
        """All that it has said up to its stop."""
        return self._text

    @property
    def pid(self) -> int:
        """The process that told the ledger (a forked child is not the one that was started)."""
        return self.ledger.pid or self._process.pid

    def finish(self) -> Ledger:
        """Let it go on to its end; return the ledger with the totals that it printed."""
        rest, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, f"the program ended with {self._process.returncode}"
        return read_ledger(self._text + rest.decode())

    def wait(self) -> None:
        """Wait for the end of the process that was started."""
        self._process.wait(PATIENCE)


def read_until(stream: IO[bytes], mark: bytes) -> bytes:
    """Return what the pipe says up to and with `mark`, and what came along behind it; fail if it ends before, or in
    too long a time."""
    text, end = b"", time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while mark not in text:
            assert selector.select(end - time.monotonic()), f"no {mark!r} within {PATIENCE} s"
            piece = os.read(stream.fileno(), 1 << 16)
            assert piece, f"the program ended before {mark!r}: {text[-200:]!r}"
            text += piece
    return text


@contextmanager
def running(
    program: Path, *arguments: str, environment: dict[str, str] | None = None, directory: Path | None = None
) -> Iterator[Running]:
    """Start the program (in `directory`, if given) and yield it at its stop; kill it (and its children) at the end,
    whatever happens."""
    process = subprocess.Popen(
        [str(program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
        cwd=directory,
    )
    try:
        yield Running(process)
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started in a session of its own, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
