"""A core as commands see it, without gdb: what gdb alone knows (symbols, frames, source) is not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.core_file import open_core
from gdbheap.elf.debug_file import DebugFiles
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.thread_locals import thread_locals
from gdbheap.errors import NoProcess, UsageError
from gdbheap.glibc.abort_message import find_abort_message
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.locate.make_layout import make_layout
from gdbheap.glibc.read_heap import read_heap
from gdbheap.interface.settings import SETTINGS
from gdbheap.process.frame import Frame
from gdbheap.process.process import Module
from gdbheap.process.signal_info import signal_name
from gdbheap.process.stop import Stop


class CoreTarget:
    """A Target (gdbheap/interface/command.py) on the core at `path`; symbols are kept in the `cache` directory."""

    def __init__(self, path: str, cache: str, search: DebugSearch) -> None:
        self._core = open_core(path)
        self._search = search
        self._symbols = DebugFiles(search, SymbolCache(cache))
        self.process = self._core.process()
        self._layout: Layout | None = None
        self._heap: HeapView | None = None
        self._kept: dict[str, Any] = {}

    def layout(self) -> Layout:
        if self._layout is None:
            self._layout = make_layout(self.process, self._symbols.symbols_of)
        return self._layout

    def heap(self, observer: Any = None) -> HeapView:
        if self._heap is None:
            self._heap = read_heap(self.process, self.layout(), None, observer)
        return self._heap

    def evaluate(self, expression: str) -> int:
        try:
            return int(expression, 0)
        except ValueError:
            raise UsageError(f"{expression} is no number") from None

    def symbol_at(self, address: int) -> str:
        return ""

    def demangled(self, name: str) -> str:
        return name

    def setting(self, name: str) -> Any:
        return next(each.default for each in SETTINGS if each.name == name)

    def stack_place(self, thread: int, address: int) -> str:
        return f"{address:#x}"

    def thread_local_at(self, module: Module, offset: int) -> str:
        known = self.keep(f"locals of {module.path}", lambda _: thread_locals(module, self._search))
        return next((name for start, size, name in known if start <= offset < start + size), "")

    def detach(self) -> None:
        raise UsageError("a core")

    def keep(self, name: str, compute: Callable[[Any], Any]) -> Any:
        if name not in self._kept:
            self._kept[name] = compute(None)
        return self._kept[name]

    def frames(self, lwp: int | None = None, most: int = 64) -> tuple[()]:
        return ()

    def frame_at(self, address: int) -> Frame:
        return Frame(0, address, 0)

    def code_at(self, address: int) -> tuple[()]:
        return ()

    def call_source(self, lwp: int | None, level: int) -> str:
        return ""

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        return None

    def stop(self) -> Stop:
        if not self.process.threads:
            raise NoProcess("no threads")
        thread = self.process.threads[0]
        signal = self._core.signals.get(thread.lwp)
        return Stop(thread, signal, "" if signal is None else signal_name(signal.signal))

    def vector_registers(self) -> tuple[()]:
        return ()

    def abort_message(self) -> str:
        return find_abort_message(self.process)

    @property
    def selected_thread(self) -> int | None:
        return self.process.threads[0].lwp if self.process.threads else None
