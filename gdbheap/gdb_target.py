"""The stopped process as commands see it: everything is computed once per stop, and dropped when the process may have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdbheap import gdb_process
from gdbheap.process.process import Process


class GdbTarget:
    """A Target (commands/command.py) on gdb's selected inferior."""

    def __init__(self, setting: Callable[[str], Any]) -> None:
        self.setting = setting
        self._key: tuple[object, ...] | None = None
        self._process: Process | None = None

    def begin(self) -> None:
        """Make ready for one command: keep what is known only if this is certainly still the same stop."""
        key = gdb_process.stop_key()
        if key != self._key or gdb_process.is_mid_resume():
            self.forget()
        self._key = key

    def forget(self, *_: object) -> None:
        """Drop all that is known; gdb's events call this."""
        self._process = None

    @property
    def process(self) -> Process:
        if self._process is None:
            self._process = gdb_process.gather()
        return self._process

    def evaluate(self, expression: str) -> int:
        return gdb_process.evaluate(expression)

    def symbol_at(self, address: int) -> str:
        return gdb_process.symbol_at(address)

    @property
    def selected_thread(self) -> int | None:
        return gdb_process.selected_lwp()
