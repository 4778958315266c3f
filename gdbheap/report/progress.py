"""How far a long walk has come, on one line of the terminal that vanishes when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable


class Progress:
    """Call it about once for each MiB read. It says nothing in the first second, and then twice a second."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._next = clock() + 1.0
        self._read = 0
        self._shown = 0

    def __call__(self, address: int) -> None:
        self._read += 1
        self._show(f"reading the heap: {self._read:,} MiB, at {address:#x}")

    def of_types(self, read: int) -> None:
        """Call it once for each MiB of debug information, with how many bytes of it were read."""
        self._show(f"reading types, for the first time of this program: {read >> 20:,} MiB of debug information")

    def _show(self, text: str) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + 0.5
            line = f"{text} (Ctrl-C stops here) "
            self._write(f"\r{line:<{self._shown}}")
            self._shown = max(self._shown, len(line))

    def finish(self) -> None:
        """Clear the line, with blanks: a terminal may know no escapes."""
        if self._shown:
            self._write(f"\r{'':<{self._shown}}\r")
            self._shown = 0
