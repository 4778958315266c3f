"""How far a long answer has come, on one line of the terminal that vanishes when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Call it about once for each MiB read. It says nothing in the first second, and then twice a second, and whenever
    a piece of work begins."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._first = self._next = clock() + 1.0
        self._read = 0
        self._shown = 0
        # What is being done, the innermost last.
        self._work: list[str] = []

    def __call__(self, address: int) -> None:
        self._read += 1
        self._show(f"reading the heap: {self._read:,} MiB, at {address:#x}")

    def of_types(self, read: int) -> None:
        """Call it once for each MiB of debug information, with how many bytes of it were read."""
        self._show(f"reading types, for the first time of this program: {read >> 20:,} MiB of debug information")

    def of_objects(self, number: int) -> None:
        """Call it with the number of the object that the work has come to, as often as it likes."""
        self._show(f"{self._work[-1]}: at object {number:,}")

    @contextmanager
    def doing(self, work: str) -> Iterator[None]:
        """Show a piece of work ("finding ...") for as long as it takes."""
        self._work.append(work)
        self._begin()
        try:
            yield
        finally:
            self._work.pop()
            self.finish()

    def _begin(self) -> None:
        if self._clock() >= self._first:
            self._next = self._first
            self._show(self._work[-1])

    def _show(self, text: str) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + 0.5
            line = f"{text} (Ctrl-C stops here) "
            self._write(f"\r{line:<{self._shown}}")
            self._shown = max(self._shown, len(line))

    def finish(self) -> None:
        """Clear the line, with blanks (a terminal may know no escapes), and show the work that goes on, if any."""
        if self._shown:
            self._write(f"\r{'':<{self._shown}}\r")
            self._shown = 0
        if self._work:
            self._begin()
