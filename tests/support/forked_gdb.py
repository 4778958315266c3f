"""A gdb that is forked from one that has read already what every gdb of the tests reads.

A fresh gdb takes half a second of processor time to import gdbheap's modules and numpy and to read libc's debug
information; a forked one has that from its parent and costs a third. It executes the same lines in the same order, in
a process, a session and a program space of its own, and starts no command of gdbheap that it is not told to. It has
more inferiors, from number 2, without a process.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FORKER = Path(__file__).with_name("gdb_forker.py")
# Two programs with the libraries that most programs of the tests have; gdb keeps what it read of them.
_PROGRAMS = {"64": ["-m64"], "32": ["-m32"]}
_LINKED = ["-x", "c++", "-", "-Wl,--no-as-needed", "-lm", "-lstdc++", "-pthread"]
_READ = ("info line malloc", "info scope malloc", "info line abort", "ptype struct malloc_state")  # debug information
_NOT_IN_GDB = ("launch", "triage", "docs", "model", "bundle", "without_gdb", "__main__.py")


def lines_of(words: Sequence[str | bytes]) -> list[str] | None:
    """Return what a batch run of gdb with these words executes, line by line; None where that is not simply so."""
    first, target, then = [], [], []
    rest = list(words[1:])
    for needed in ("-nx", "-q", "-batch"):
        if needed not in rest:
            return None
        rest.remove(needed)
    positional = 0
    while rest:
        word = rest.pop(0)
        if not isinstance(word, str):
            return None
        if word in ("-iex", "-ex", "-x", "-p", "-c") and rest and isinstance(rest[0], str):
            value = str(rest.pop(0))
            if word in ("-iex", "-ex"):
                (first if word == "-iex" else then).append(value)
            elif word == "-x":
                then.append(f"source {value}")
            else:
                target.append(f"{'attach' if word == '-p' else 'core-file'} {value}")
        elif word.startswith("-") or positional == 2 or word.isdigit() or any(each in word for each in " \\\"'~$"):
            return None
        else:
            target.insert(positional, f"{'core-file' if positional else 'file'} {word}")
            positional += 1
    lines = [*first, *target, *then]
    # (With inferiors of their own, runs keep what gdb read already.)
    return None if any("\n" in line or line.startswith(("shell", "!", "add-inferior")) for line in lines) else lines


class Forker:
    """The parent, started in this directory with this environment."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """`words` begin gdb's command line."""
        self.environment, self.directory = dict(environment), Path.cwd()
        self._lock = threading.Lock()
        self._door, door = socket.socketpair()
        self._programs = tempfile.TemporaryDirectory(prefix="gdbheap-forker-")
        lines = []
        for number, program in enumerate(self._made_programs(), 2):
            lines += [f"add-inferior -exec {program}", f"inferior {number}", "run", *_READ]
        lines.append("inferior 1")
        lines += [f"python import sys; sys.path[:0] = [{str(ROOT)!r}]", f"source {_FORKER}"]
        self._said = Path(self._programs.name, "said")
        before = ["-iex", "set confirm off", "-iex", "maint set worker-threads 0"]
        told = {"GDBHEAP_FORKER": str(door.fileno()), "GDBHEAP_FORKER_MODULES": json.dumps(_modules())}
        with door, open(self._said, "wb") as said:
            self._gdb = subprocess.Popen(
                [*words, "-nx", "-q", "-batch", *before, *(word for line in lines for word in ("-ex", line))],
                env={**environment, **told},
                pass_fds=[door.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Return whether a gdb with this environment, started here and now, could be one of its children."""
        return self._gdb.poll() is None and (self.environment, self.directory) == (dict(environment), Path.cwd())

    def run(self, lines: Sequence[str], patience: float) -> tuple[bytes, int] | None:
        """Have a child execute the lines; return all that it said, and its exit code (that of a signal is negative).
        None where the parent is at work for another thread. TimeoutExpired where it has not ended within `patience`
        seconds; it is dead then."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._run(lines, patience)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the parent."""
        self._door.close()
        self._gdb.wait()
        self._programs.cleanup()

    def _made_programs(self) -> list[Path]:
        """Return those of the programs that can be made here."""
        made = []
        for name, flags in _PROGRAMS.items():
            program = Path(self._programs.name, name)
            command = ["g++", *flags, *_LINKED, "-o", str(program)]
            if not subprocess.run(command, input=b"int main() {}", stderr=subprocess.DEVNULL).returncode:
                made.append(program)
        return made

    def _run(self, lines: Sequence[str], patience: float) -> tuple[bytes, int]:
        reader, writer = os.pipe()
        try:
            socket.send_fds(self._door, [json.dumps(list(lines)).encode() + b"\n"], [writer])
        finally:
            os.close(writer)
        child = self._answer()
        end = time.monotonic() + patience
        try:
            said = _all_from(reader, end)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            raise subprocess.TimeoutExpired("gdb", patience) from None
        finally:
            os.close(reader)
            status = self._answer()
        return said, os.waitstatus_to_exitcode(status)

    def _answer(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            try:
                piece = self._door.recv(1)
            except ConnectionResetError:
                piece = b""
            assert piece, f"the gdb that others are forked from has ended:\n{self._said.read_text(errors='replace')}"
            line += piece
        return int(line)


_forkers: dict[int, Forker] = {}


def forker(words: Sequence[str], environment: Mapping[str, str]) -> Forker:
    """Return this process's, which is started with the first use."""
    mine = _forkers.get(os.getpid())
    if mine is None:
        mine = _forkers[os.getpid()] = Forker(words, environment)
        atexit.register(mine.close)
    return mine


def _all_from(reader: int, end: float) -> bytes:
    """Return what comes until all writers have closed; TimeoutError at `end`."""
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, end - time.monotonic())):
                raise TimeoutError
            piece = os.read(reader, 1 << 16)
            if not piece:
                return bytes(said)
            said += piece


def _modules() -> list[str]:
    """Return the modules that gdb may come to import."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "gdbheap").rglob("*.py"))]
    ours = [path.with_suffix("").parts for path in files if not any(each in path.parts for each in _NOT_IN_GDB)]
    names = [".".join(parts[:-1] if parts[-1] == "__init__" else parts) for parts in ours]
    return ["elftools.elf.elffile", "elftools.dwarf.dwarfinfo", *names]
