"""What keeps the gate from waiting for ever: where somebody kills a process in the moment between a stop and the next
step on, gdb holds the others for that step, and never lets them run again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from gdbheap.files import kernel_text
from gdbheap.inside_gdb.last_moments import state_of, thread_states

# So often in a row, at so many seconds' distance, gdb is seen to wait while none of them runs.
_EVERY = 0.5
_PATIENCE = 20
_STANDING = frozenset("ZXtT")


class Watch:
    """A thread that gives up where gdb waits for nothing: it calls `give_up` and ends gdb, and with it what gdb
    traces."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._processes: frozenset[int] = frozenset()
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

    @contextmanager
    def over(self, processes: Iterable[int]) -> Iterator[None]:
        """Look at these processes, which gdb is to let run meanwhile."""
        self._processes = frozenset(processes)
        try:
            yield
        finally:
            self._processes = frozenset()

    def _run(self) -> None:
        times = 0
        while times < _PATIENCE:
            if self._is_over.wait(_EVERY):
                return
            times = times + 1 if _waits_for_nothing(self._processes) else 0
        self._give_up()
        os.kill(os.getpid(), signal.SIGKILL)


def _waits_for_nothing(processes: frozenset[int]) -> bool:
    """Whether gdb sleeps with all its threads, and neither these processes nor others that it traces run."""
    return (
        bool(processes)
        and all(thread_states(each) <= _STANDING for each in processes)
        and all(state == "S" for state in _own_states())
        and all(thread_states(each) <= _STANDING for each in _traced())
    )


def _own_states() -> Iterator[str]:
    """Yield the states of gdb's other threads."""
    own = str(threading.get_native_id())
    yield from (state_of(f"/proc/self/task/{each}") for each in os.listdir("/proc/self/task") if each != own)


def _traced() -> Iterator[int]:
    mine = f"\nTracerPid:\t{os.getpid()}\n"
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                if mine in kernel_text(f"/proc/{name}/status"):
                    yield int(name)
