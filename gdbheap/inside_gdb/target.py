"""The stopped process as commands see it: everything is computed once per stop, and dropped when the process may
have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gdbheap.errors import HeapError
from gdbheap.glibc.heap_view import HeapView
from gdbheap.glibc.layout import Layout
from gdbheap.inside_gdb import backtrace as gdb_backtrace
from gdbheap.inside_gdb import call_source
from gdbheap.inside_gdb import code as gdb_code
from gdbheap.inside_gdb import expressions as gdb_expressions
from gdbheap.inside_gdb import frames as gdb_frames
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.inside_gdb import stop as gdb_stop
from gdbheap.inside_gdb.vectors import vector_words
from gdbheap.process.frame import Frame, is_of_libc
from gdbheap.process.process import Module, Process
from gdbheap.process.stop import Stop
from gdbheap.process.symbols import SymbolsOf
from gdbheap.process.tasks import has_ended
from gdbheap.report.progress import Progress

if TYPE_CHECKING:
    from gdbheap.elf.debug_search import DebugSearch
    from gdbheap.glibc.walk.walk import Observer


class GdbTarget:
    """A Target (interface/command.py) on gdb's selected inferior."""

    def __init__(self, setting: Callable[[str], Any]) -> None:
        self.setting = setting
        self._key: tuple[object, ...] | None = None
        self._process: Process | None = None
        self._layout: Layout | None = None
        self._heap: HeapView | None = None
        self._progress: Progress | None = None
        self._kept: dict[str, Any] = {}

    def begin(self, progress: Progress | None = None) -> None:
        """Make ready for one command: keep what is known only if this is certainly still the same stop. `progress`
        tells of long walks."""
        self._progress = progress
        key = gdb_process.stop_key()
        if key != self._key or gdb_process.runs_on():
            self.forget()
        elif self._heap is not None and not self._heap.complete:
            self._heap = None  # Ctrl-C cut it short: the next command tries again
            self._kept.clear()
        self._key = key

    def forget(self, *_: object) -> None:
        """Drop all that is known; gdb's events call this."""
        self._process = self._layout = self._heap = None
        self._kept.clear()

    @property
    def end(self) -> str:
        """What is to be said where the process has ended and gdb has not noticed; "" for one that is there, or is no
        live one."""
        pid = None if self._process is None else self._process.pid
        if pid is None or not has_ended(pid):
            return ""
        return (
            f"process {pid} has been killed, which gdb has not noticed: this was read before (`kill` ends the session)"
        )

    @property
    def has_read(self) -> bool:
        """Whether what takes long to read is known by now: all of the heap."""
        return self._heap is not None and self._heap.complete

    @property
    def process(self) -> Process:
        if self._process is None:
            self._process = gdb_process.gather()
        return self._process

    def layout(self) -> Layout:
        if self._layout is None:
            # What hunts for malloc without symbols is a third of gdbheap: kept out of gdb's start.
            from gdbheap.glibc.locate.make_layout import make_layout

            self._layout = make_layout(self.process, self._symbols_of())
        return self._layout

    def _symbols_of(self) -> SymbolsOf:
        from gdbheap.elf.cache import SymbolCache, cache_directory
        from gdbheap.elf.debug_file import DebugFiles

        directory = cache_directory()
        return DebugFiles(self._debug_search(), SymbolCache(directory) if directory else None).symbols_of

    def _debug_search(self) -> DebugSearch:
        from gdbheap.elf.debug_search import DebugSearch, debuginfod_cache

        return DebugSearch(gdb_process.debug_directories(), debuginfod_cache())

    def heap(self, observer: Observer | None = None) -> HeapView:
        if self._heap is None:
            from gdbheap.glibc.read_heap import read_heap  # kept out of gdb's start as well

            try:
                self._heap = read_heap(self.process, self.layout(), self._progress, observer)
            finally:
                if self._progress is not None:
                    self._progress.finish()
        return self._heap

    def evaluate(self, expression: str) -> int:
        return gdb_expressions.evaluate(expression)

    def symbol_at(self, address: int) -> str:
        return gdb_expressions.symbol_at(address)

    def demangled(self, name: str) -> str:
        return gdb_expressions.demangled(name)

    def stack_place(self, thread: int, address: int) -> str:
        return gdb_frames.stack_place(thread, address)

    def thread_local_at(self, module: Module, offset: int) -> str:
        from gdbheap.elf.thread_locals import thread_locals  # brings pyelftools

        kept = f"thread locals of {module.path}"
        known: list[tuple[int, int, str]] = self.keep(kept, lambda _: thread_locals(module, self._debug_search()))
        for start, size, name in known:
            if start <= offset < start + size:
                return gdb_expressions.demangled(name) + (f"+{offset - start}" if offset > start else "")
        return ""

    def detach(self) -> None:
        gdb_process.detach()

    def keep(self, name: str, compute: Callable[[Callable[[int], None] | None], Any]) -> Any:
        if name in self._kept:
            return self._kept[name]
        try:
            value = compute(self._progress)
        finally:
            if self._progress is not None:
                self._progress.finish()
        if not getattr(value, "interrupted", False):
            self._kept[name] = value  # what Ctrl-C cut short is computed anew for the next command
        return value

    def frames(self, lwp: int | None = None, most: int = 64) -> tuple[Frame, ...]:
        return self._near_malloc(gdb_backtrace.frames(lwp, self.process, most))

    def frame_at(self, address: int) -> Frame:
        return self._near_malloc((gdb_backtrace.frame_at(address, self.process),))[0]

    def _near_malloc(self, frames: tuple[Frame, ...]) -> tuple[Frame, ...]:
        """Mark those that have no name and may be malloc's."""
        if all(frame.function or not is_of_libc(frame) for frame in frames):
            return frames
        code = self.keep("malloc's code", lambda _: self._malloc_code())
        return tuple(
            replace(frame, is_near_malloc=not frame.function and any(frame.program_counter in each for each in code))
            for frame in frames
        )

    def _malloc_code(self) -> tuple[range, ...]:
        from gdbheap.glibc.locate.find_libc import find_libcs
        from gdbheap.glibc.locate.malloc_code import malloc_code

        try:
            return malloc_code(find_libcs(self.process, self._symbols_of()))
        except HeapError:
            return ()

    def code_at(self, address: int) -> tuple[tuple[int, str], ...]:
        return gdb_code.code_at(self.process, address)

    def call_source(self, lwp: int | None, level: int) -> str:
        return call_source.call_source(lwp, level)

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        return call_source.evaluate_in_frame(lwp, level, expression)

    def stop(self) -> Stop:
        stop = gdb_stop.read_stop(self.process)
        return replace(stop, frames=self._near_malloc(stop.frames))

    def vector_registers(self) -> Iterator[tuple[int, str, int]]:
        return vector_words(self.process.machine)

    def abort_message(self) -> str:
        from gdbheap.glibc.abort_message import find_abort_message, read_abort_message
        from gdbheap.glibc.locate.find_libc import find_libcs

        try:
            libcs = find_libcs(self.process, self._symbols_of())
        except HeapError:
            return ""
        places = [libc.address("__abort_msg") for libc in libcs]
        if not any(places):
            return find_abort_message(self.process)
        return next(filter(None, (read_abort_message(self.process, each) for each in places)), "")

    @property
    def selected_thread(self) -> int | None:
        return gdb_process.selected_lwp()
