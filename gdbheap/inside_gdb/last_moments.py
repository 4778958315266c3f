"""The last moments of a process, for which gdb lets it go: where gdb follows each thread to its end, it may want the
registers of one that is no more and give up, or wait for ever. The kernel tells how the process ended."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gdb

from gdbheap.files import kernel_text

# A process that is about to end does so within so many seconds, unless the kernel writes a large core of it.
_PATIENCE = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.02
# Of /proc/PID/stat, from the state on (proc(5)): exit_code.
_EXIT_CODE = 49
# The states of a thread that has ended.
_ENDED = "ZX"
# gdb takes it for its own, unless it is told otherwise.
_TRAP = "SIGTRAP"


def let_end(inferior: gdb.Inferior, signal_name: str = "") -> int | None:
    """Let go of a process whose first thread is there and that is about to end, by the signal that it was stopped by
    where one is named. Return how it has ended, as wait() tells it; None: it has not yet, or somebody else was told."""
    process = inferior.pid
    if is_unheard_of(process):
        return let_go_ended(inferior)
    with _passed_on(signal_name):
        let_go(inferior)
    until, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
    while time.monotonic() < until:
        with suppress(ChildProcessError):  # not a child of gdb's own
            waited, status = os.waitpid(process, os.WNOHANG)
            if waited:
                return status
        states = thread_states(process)
        if states <= set(_ENDED):
            return _exit_code(process)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return None


def let_go_ended(inferior: gdb.Inferior) -> int | None:
    """Have gdb forget a process that has ended, and return how, as wait() tells it."""
    status = _exit_code(inferior.pid)
    let_go(inferior)
    return status


def let_go(inferior: gdb.Inferior) -> None:
    gdb.execute(f"detach inferiors {inferior.num}", to_string=True)


def has_ended(process: int) -> bool:
    """Whether the first thread of a process is no more, or waits for somebody to hear of its end."""
    return state_of(f"/proc/{process}") in _ENDED


def is_unheard_of(process: int) -> bool:
    """Whether a process has ended, and nobody has heard of it so far."""
    states = thread_states(process)
    return bool(states) and states <= set(_ENDED)


def thread_states(process: int) -> set[str]:
    """Return the states that its threads are in (proc(5): R, S, Z, ...); nothing where it is no more."""
    return {state_of(each) for each in _threads(process)}


def state_of(thread: str) -> str:
    """Return the state of the thread with this directory in /proc; X where it is no more."""
    return _stat(thread)[0]


def _exit_code(process: int) -> int | None:
    """Return what wait() will tell of a process that has ended; None where somebody has heard of it."""
    codes = [int(fields[_EXIT_CODE]) for each in _threads(process) if len(fields := _stat(each)) > _EXIT_CODE]
    return next((each for each in codes if each), 0) if codes else None


def _stat(thread: str) -> list[str]:
    try:
        return kernel_text(f"{thread}/stat").rpartition(")")[2].split() or ["X"]
    except OSError:
        return ["X"]


def _threads(process: int) -> list[str]:
    place = f"/proc/{process}/task"
    try:
        return [f"{place}/{each}" for each in os.listdir(place)]
    except OSError:
        return []


@contextmanager
def _passed_on(signal_name: str) -> Iterator[None]:
    """Have gdb leave this signal to the process."""
    is_ours = signal_name == _TRAP
    if is_ours:
        gdb.execute(f"handle {_TRAP} pass", to_string=True)
    try:
        yield
    finally:
        if is_ours:
            gdb.execute(f"handle {_TRAP} nopass", to_string=True)
