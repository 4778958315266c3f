"""What keeps the gate from waiting for ever: gdb may miss the end of a process that somebody kills in the moment
between a stop and the next step on, and then lets none of the others run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

from gdbheap.files import kernel_text
from gdbheap.inside_gdb.last_moments import state_of, thread_states

# So often in a row, in seconds, gdb is seen to wait while a process is no more and none runs.
_EVERY = 0.5
_PATIENCE = 20
_ENDED = frozenset("ZX")
_STANDING = _ENDED | frozenset("tT")


class Watch:
    """A thread that gives up where gdb waits for nothing: it calls `give_up` and ends gdb, and with it what gdb traces.
    `processes` are those that gdb let run last."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self.processes: frozenset[int] = frozenset()
        self._give_up = give_up
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        times = 0
        while times < _PATIENCE:
            if self._is_over.wait(_EVERY):
                return
            times = times + 1 if _waits_for_nothing(self.processes) else 0
        self._give_up()
        os.kill(os.getpid(), signal.SIGKILL)


def _waits_for_nothing(processes: frozenset[int]) -> bool:
    """Whether gdb sleeps, one of these processes is no more, and none that it traces runs."""
    states = [thread_states(each) for each in processes]
    return (
        not all(each - _ENDED for each in states)
        and not any(each - _STANDING for each in states)
        and state_of(f"/proc/self/task/{os.getpid()}") == "S"
        and all(thread_states(each) <= _STANDING for each in _traced())
    )


def _traced() -> Iterator[int]:
    mine = f"\nTracerPid:\t{os.getpid()}\n"
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                if mine in kernel_text(f"/proc/{name}/status"):
                    yield int(name)
