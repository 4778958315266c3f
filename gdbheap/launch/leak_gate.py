"""`python3 -m gdbheap leaks PROGRAM`: run a program to its end at its own speed, say what it leaked, and answer with
an exit status, for CI."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from gdbheap.errors import HeapError, Refused
from gdbheap.files import kernel_text, open_new, open_regular, read_regular
from gdbheap.launch.launcher import Launch
from gdbheap.launch.refused import why_none_starts

_MOST_ANSWER = 1 << 30
_PR_SET_PDEATHSIG = 1
# As far as the kernel reads (BINPRM_BUF_SIZE).
_LONGEST_FIRST_LINE = 256


@dataclass(frozen=True)
class Gate:
    """What was asked."""

    launch: Launch
    program: str
    arguments: Sequence[str]
    follow_children: bool = False
    system_calls: bool = False
    places: bool = False


def run_gate(gate: Gate) -> tuple[list[dict[str, Any]], str]:
    """Run the program in gdb to its end; return what was seen of each process (see gdbheap/inside_gdb/leak_gate.py),
    and why gdb could not see all ("": it could). HeapError if it cannot be run."""
    refusal = why_none_starts()
    if refusal is not None:
        raise Refused(f"gdb may not run {gate.program}: {refusal.text}", *refusal.commands)
    program, arguments = _interpreted(gate.program, gate.arguments)
    with tempfile.TemporaryDirectory(prefix="gdbheap-leaks-") as place, _streams() as streams:
        starter, answer, log = (os.path.join(place, name) for name in ("start", "answer", "log"))
        with open_new(starter) as file:
            file.write(_starter(f"{starter}.pid", arguments, streams).encode("utf-8", "surrogateescape"))
        call = f"run_gate({starter!r}, {answer!r}, {gate.follow_children}, {gate.system_calls}, {gate.places})"
        words = gate.launch.run(program, ())
        words[1:1] = ["-nx", "-q", "-batch", "-iex", "set debuginfod enabled off"]
        at = words.index("--args")
        words[at:at] = ["-ex", f"python from gdbheap.inside_gdb.leak_gate import run_gate; {call}"]
        with open_new(log) as output, _signals_for(f"{starter}.pid") as passing:
            gdb = subprocess.Popen(
                words,
                stdin=None if os.isatty(0) else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "SHELL": "/bin/sh"},
                pass_fds=[each for each in streams if each is not None],
                preexec_fn=_apart if os.isatty(0) else _in_a_group_apart,
            )
            passing(gdb.pid)
            gdb.wait()
        try:
            found = json.loads(read_regular(answer, _MOST_ANSWER))
        except (OSError, ValueError):
            found = {"processes": [], "error": _last_line(log)}
    processes: list[dict[str, Any]] = found["processes"]
    if found["error"] and not processes:
        raise HeapError(f"gdb could not run {gate.program}: {found['error']}")
    return processes, found["error"]


def _last_line(log: str) -> str:
    said = read_regular(log, _MOST_ANSWER).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")


def _interpreted(program: str, arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return what the kernel would run: of a script, its interpreter, with the script as its argument."""
    found = shutil.which(program)
    try:
        with open_regular(found or program) as file:
            first = file.read(_LONGEST_FIRST_LINE).split(b"\n")[0]
    except OSError:
        return program, arguments
    if found is None or not first.startswith(b"#!"):
        return program, arguments
    words = os.fsdecode(first[2:]).split(maxsplit=1)
    return words[0], (*words[1:], found, *arguments)


def _starter(pid: str, arguments: Sequence[str], streams: Sequence[int | None]) -> str:
    """Return the shell script that becomes the program that gdb names, with its own arguments, standard streams and
    environment: gdb has others. It writes its process id to the file `pid`."""
    lines = [f"echo $$ >{shlex.quote(pid)}"]
    for name in ("LINES", "COLUMNS"):  # gdb sets them
        lines.append(f"export {name}={shlex.quote(os.environ[name])}" if name in os.environ else f"unset {name}")
    shell = os.environ.get("SHELL")
    lines.append("unset SHELL" if shell is None else f"export SHELL={shlex.quote(shell)}")
    own = [f"{number}>&{'-' if each is None else each}" for number, each in enumerate(streams)]
    own += [f"{each}>&-" for each in streams if each is not None]
    lines.append(" ".join(['exec "$@"', *map(shlex.quote, arguments), *own]))
    return "\n".join(lines) + "\n"


@contextmanager
def _signals_for(pid: str) -> Iterator[Callable[[int], None]]:
    """Have what is sent to end us go to the process that the file names: it may want to end in its own way. Where that
    has ended, its children that are watched get it. Yield what is to be told of gdb's process."""
    debuggers: list[int] = []

    def pass_on(number: int, _: object) -> None:
        try:
            first = int(read_regular(pid, _LONGEST_FIRST_LINE))
        except (OSError, ValueError):  # it has not begun yet
            return
        watched = [each for debugger in debuggers for each in _traced(debugger)]
        for each in [first] if first in watched else watched:
            with suppress(OSError):
                os.kill(each, number)

    before = {each: signal.signal(each, pass_on) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield debuggers.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _traced(debugger: int) -> Iterator[int]:
    """Yield the processes that it traces."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                if f"\nTracerPid:\t{debugger}\n" in kernel_text(f"/proc/{name}/status"):
                    yield int(name)


def _apart() -> None:
    """Have gdb end with us, whatever ends us; the kernel then ends the program too."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _in_a_group_apart() -> None:
    """The same, and have signals to our process group (timeout sends such) come to us alone, who pass them on once."""
    os.setpgid(0, 0)
    _apart()


@contextmanager
def _streams() -> Iterator[tuple[int | None, ...]]:
    """Yield copies of our standard streams (None: it is closed), for the program: gdb's own go elsewhere. They have
    one digit, for the shell."""
    copies: list[int | None] = []
    try:
        # (What is closed at the start is None, whatever was opened in its place since.)
        for number, stream in enumerate((sys.__stdin__, sys.__stdout__, sys.__stderr__)):
            copies.append(None if stream is None else fcntl.fcntl(number, fcntl.F_DUPFD, 3))
        if max(each or 0 for each in copies) > 9:
            raise HeapError("too many files are open here to start a program")
        yield tuple(copies)
    finally:
        for each in copies:
            if each is not None:
                os.close(each)
