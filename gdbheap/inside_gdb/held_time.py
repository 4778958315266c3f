"""For how long gdb has held a process that it lets run: by gdb's own time, for while gdb runs the program waits."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from gdbheap.files import open_regular

_LINE = 100


class HeldTime:
    """`seconds` are from when this was made, at a stop. While the process is let run, breakpoints hold it for as long
    as gdb works at them or waits for a processor. (Other threads run on meanwhile: they are counted as held.)"""

    def __init__(self) -> None:
        self._schedule = None
        with suppress(OSError):  # a kernel that does not count it (CONFIG_SCHED_INFO)
            self._schedule = open_regular(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._held = 0.0
        self._began = time.monotonic()
        self._worked = 0.0
        self._is_stopped = True

    @property
    def seconds(self) -> float:
        return self._held + (time.monotonic() - self._began if self._is_stopped else self._at_work() - self._worked)

    def resumes(self) -> None:
        """The process is let run from now on."""
        self._held, self._is_stopped, self._worked = self.seconds, False, self._at_work()

    def has_stopped(self) -> None:
        """The process stands still from now on."""
        self._held, self._is_stopped, self._began = self.seconds, True, time.monotonic()

    def close(self) -> None:
        if self._schedule is not None:
            self._schedule.close()

    def _at_work(self) -> float:
        """Return for how long this thread of gdb's has been at work, in seconds."""
        waited = 0
        if self._schedule is not None and not self._schedule.closed:
            waited = int(os.pread(self._schedule.fileno(), _LINE, 0).split()[1])
        return time.thread_time() + waited / 1e9
