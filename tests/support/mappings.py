"""The program fixtures/programs/mappings.c, started and at its stop, with what it says of its own mappings."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.programs import PATIENCE, build

# The numbers of pause(2) for x86-64 and i386.
PAUSE = frozenset({"34", "29"})


@dataclass(frozen=True)
class Mappings:
    """The stopped program: `facts` are (start, end) by name."""

    pid: int
    process: subprocess.Popen[bytes]
    facts: Mapping[str, tuple[int, int]]

    def touch(self, access: str, address: int) -> tuple[int, int]:
        """Have a child of the program read ("r"), write ("w") or execute ("x") the byte; return the signal and its
        si_code (0, 0: none)."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(b"%s %x\n" % (access.encode(), address))
        self.process.stdin.flush()
        signal_number, code = self.process.stdout.readline().split()
        return int(signal_number), int(code)

    def wait(self) -> None:
        """Wait for the program's end."""
        self.process.wait(PATIENCE)


@contextmanager
def mappings(directory: Path, *flags: str, mode: str = "pause") -> Iterator[Mappings]:
    """Start the program in `directory`, compiled with `flags`, and yield it once it has made all its mappings."""
    process = subprocess.Popen(
        [str(build("mappings", *flags)), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=directory,
        start_new_session=True,
    )
    try:
        yield Mappings(process.pid, process, _facts(process, mode))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _facts(process: subprocess.Popen[bytes], mode: str) -> dict[str, tuple[int, int]]:
    assert process.stdout is not None
    facts = {}
    for line in process.stdout:
        if line == b"ready\n":
            if mode != "touch":
                _wait_for_pause(process.pid)
            return facts
        name, start, end = line.decode().split()
        facts[name] = (int(start, 16), int(end, 16))
    raise AssertionError(f"the program ended early, having told {facts}")


def _wait_for_pause(pid: int) -> None:
    """Wait until every thread is in pause(2), so that nothing of the process moves any more."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        calls = [task.read_text().split()[0] for task in Path(f"/proc/{pid}/task").glob("*/syscall")]
        if set(calls) <= PAUSE:
            return
        os.sched_yield()
    raise AssertionError(f"the program's threads are in {calls}, not in pause")
