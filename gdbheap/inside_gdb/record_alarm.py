"""What stops a process that runs under gdb when it is time, and what gdb says of that."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import gdb

from gdbheap.files import kernel_text, open_nowhere
from gdbheap.inside_gdb.text import output_of

# Sent to a process that is traced, it goes to the debugger, which drops it.
_ALARM = signal.SIGSTOP
ALARM_NAME = "SIGSTOP"
# A SIGCONT of somebody's takes away one that has not come yet: after so many seconds another is sent.
_AGAIN = 1.0
# One that has been sent comes within so many seconds.
_SOON = 0.2
# What is to be done, and when (monotonic).
Look = tuple[float, Callable[[], None]]


class Alarm:
    """Stops the process at a time, by a thread of gdb's that takes no signals (gdb needs its own)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._thread: threading.Thread | None = None
        self._cleared = threading.Event()
        self._is_due = False

    def set(self, at: float, looks: Sequence[Look] = ()) -> None:
        """Stop the process at `at` (monotonic); before, do each of `looks` at its time, in another thread."""
        self._cleared.clear()
        self._thread = threading.Thread(target=self._run, args=(at, looks), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def clear(self) -> None:
        """Send nothing any more."""
        if self._thread is not None:
            self._cleared.set()
            self._thread.join()
            self._thread = None

    def seen(self) -> None:
        """One that was sent has come. (There is one at a time: the kernel keeps no second one.)"""
        self._is_due = False

    def consume(self, resume: Callable[[float], object]) -> None:
        """Run the process on until what was sent has come, by resume(time until when): none may be left for the user's
        next `continue`."""
        if self._is_due and gdb.selected_inferior().pid:
            resume(time.monotonic() + _SOON)

    def _run(self, at: float, looks: Sequence[Look]) -> None:
        for when, look in looks:
            if self._cleared.wait(max(when - time.monotonic(), 0.0)):
                return
            look()
        while not self._cleared.wait(max(at - time.monotonic(), 0.0)):
            self.ring()
            at = time.monotonic() + _AGAIN

    def ring(self) -> None:
        """Stop the process now. (One that gdb has let go would stand still for good.)"""
        with suppress(OSError):
            if f"\nTracerPid:\t{os.getpid()}\n" in kernel_text(f"/proc/{self._pid}/status"):
                os.kill(self._pid, _ALARM)
                self._is_due = True


@contextmanager
def handled(name: str, how: str) -> Iterator[None]:
    """Have gdb handle the signal in this way, and afterwards as before."""
    words = output_of(f"info signals {name}").splitlines()[-1].split()
    before = [each if yes == "Yes" else f"no{each}" for each, yes in zip(("stop", "print", "pass"), words[1:4])]
    gdb.execute(f"handle {name} {how}", to_string=True)
    try:
        yield
    finally:
        gdb.execute(f"handle {name} {' '.join(before)}", to_string=True)


@contextmanager
def silence() -> Iterator[None]:
    """Have gdb's standard output go nowhere: it tells of every stop, whoever asked for it."""
    gdb.flush()
    kept = os.dup(1)
    with open_nowhere() as nowhere:
        try:
            os.dup2(nowhere.fileno(), 1)
            yield
        finally:
            gdb.flush()
            os.dup2(kept, 1)
            os.close(kept)
