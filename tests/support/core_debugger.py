"""A core without gdb: what gdb alone knows (symbols, frames, source) is not known."""

from __future__ import annotations

from typing import Any

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.core_file import open_core
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.errors import NoProcess, UsageError
from gdbheap.interface.settings import SETTINGS
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process
from gdbheap.process.recording import Recording, Sampling
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Stop
from gdbheap.session.target import Target


class CoreDebugger:
    """A Debugger (gdbheap/session/debugger.py) on the core at `path`; symbols are kept in the `cache` directory."""

    def __init__(self, path: str, cache: str, search: DebugSearch) -> None:
        self._cache = SymbolCache(cache)
        self._core = open_core(path)
        self._search = search
        self._process = self._core.process()

    def stop_key(self) -> object:
        return "the core's"

    def gather(self) -> Process:
        return self._process

    def debug_search(self) -> DebugSearch:
        return self._search

    def symbol_cache(self) -> SymbolCache:
        return self._cache

    def setting(self, name: str) -> Any:
        return next(each.default for each in SETTINGS if each.name == name)

    def evaluate(self, expression: str) -> int:
        try:
            return int(expression, 0)
        except ValueError:
            raise UsageError(f"{expression} is no number") from None

    def typed(self, name: str) -> None:
        return None

    def pointed_to(self, expression: str) -> None:
        return None

    def symbol_at(self, address: int) -> None:
        return None

    def demangled(self, name: str) -> str:
        return name

    def stack_place(self, thread: int, address: int) -> None:
        return None

    def local_variables(self, process: Process) -> tuple[()]:
        return ()

    def frames(self, process: Process, lwp: int | None, most: int) -> tuple[()]:
        return ()

    def frame_at(self, process: Process, address: int) -> Frame:
        return Frame(0, address, 0)

    def code_at(self, process: Process, address: int) -> tuple[()]:
        return ()

    def call_source(self, lwp: int | None, level: int) -> str:
        return ""

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        return None

    def stop(self, process: Process) -> Stop:
        if not process.threads:
            raise NoProcess("no threads")
        thread = process.threads[0]
        signal = self._core.signals.get(thread.lwp)
        return Stop(thread, signal, "" if signal is None else signal_name(signal.signal))

    def vector_registers(self, process: Process) -> tuple[()]:
        return ()

    def selected_thread(self) -> int | None:
        return self._process.threads[0].lwp if self._process.threads else None

    def say(self, text: str) -> None:
        pass

    def record(self, process: Process, sampling: Sampling) -> Recording:
        raise UsageError("a core")

    def detach(self) -> None:
        raise UsageError("a core")


def core_target(path: str, cache: str, search: DebugSearch) -> Target:
    """Return the Target on the core at `path`."""
    return Target(CoreDebugger(path, cache, search))
