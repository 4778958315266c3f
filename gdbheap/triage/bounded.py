"""Work in a process of its own, with a bound on its memory and its time: what it breaks is itself alone."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gdbheap.files import open_nowhere

# What a process may say at most, in bytes.
_LONGEST = 1 << 22
_PIECE = 1 << 16
OUT_OF_MEMORY, BUG = 3, 4

Emit = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class ProcessLimits:
    """What one process may take: bytes of address space, seconds from its start to its end."""

    memory: int
    seconds: float


@dataclass(frozen=True)
class ProcessOutcome:
    """How a process ended. `said` is what it emitted before; `code` its exit status, None where `signal` ended it;
    `late`: its time was over. `cpu_seconds` and `peak_memory` (bytes resident) are what it took."""

    said: tuple[Mapping[str, Any], ...]
    code: int | None
    signal: int
    late: bool
    cpu_seconds: float
    peak_memory: int


class BoundedProcess:
    """A fork of this process that does `work`, which is given what takes the parts of its answer. Only a process
    without other threads may make one."""

    def __init__(self, work: Callable[[Emit], None], limits: ProcessLimits) -> None:
        reading, writing = os.pipe()
        self._limits = limits
        self._pid = os.fork()
        if not self._pid:
            _be_child(work, writing, limits)
        os.close(writing)
        os.set_blocking(reading, False)
        self._pipe = reading
        self._data = bytearray()
        self._end = time.monotonic() + limits.seconds
        self._late = False

    @property
    def pid(self) -> int:
        return self._pid

    def fileno(self) -> int:
        """The pipe's end, for select()."""
        return self._pipe

    def left(self) -> float:
        """Return how many seconds it has yet."""
        return self._end - time.monotonic()

    def read(self) -> bool:
        """Take what there is to read; return whether that was all."""
        while True:
            try:
                piece = os.read(self._pipe, _PIECE)
            except BlockingIOError:
                return False
            if not piece:
                return True
            self._data += piece
            if len(self._data) > _LONGEST:
                self.kill()
                return True

    def expire(self) -> None:
        """End it, because its time is over."""
        self._late = True
        self.kill()

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def outcome(self) -> ProcessOutcome:
        """Wait for its end, and return how it ended."""
        os.close(self._pipe)
        _, status, usage = os.wait4(self._pid, 0)
        ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return ProcessOutcome(
            said=_parts(bytes(self._data)),
            code=None if ended else os.WEXITSTATUS(status),
            signal=ended,
            late=self._late or ended in (signal.SIGALRM, signal.SIGXCPU),
            cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
            peak_memory=usage.ru_maxrss << 10,
        )


def _parts(data: bytes) -> tuple[Mapping[str, Any], ...]:
    """Return the lines that came whole."""
    return tuple(json.loads(line) for line in data.split(b"\n")[:-1])


def _be_child(work: Callable[[Emit], None], pipe: int, limits: ProcessLimits) -> None:
    """Do the work and end; never return."""
    code = BUG
    try:
        # The parent's files with their locks, and the other processes' pipes.
        os.closerange(3, pipe)
        os.closerange(pipe + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        _bound(limits)

        def emit(part: Mapping[str, Any]) -> None:
            line = json.dumps(part).encode("ascii") + b"\n"
            while line:
                line = line[os.write(pipe, line) :]

        work(emit)
        code = 0
    except MemoryError:
        code = OUT_OF_MEMORY
    finally:
        os._exit(code)


def _bound(limits: ProcessLimits) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    # These hold where the parent is not there any more.
    seconds = math.ceil(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + 1)
    with open_nowhere() as nowhere:
        for standard in (0, 1, 2):
            os.dup2(nowhere.fileno(), standard)
