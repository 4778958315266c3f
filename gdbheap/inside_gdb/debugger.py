"""gdb as a Debugger: every question goes to the file that knows gdb's answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import gdb

from gdbheap.errors import UsageError
from gdbheap.inside_gdb import backtrace, code, expressions, frames, typed_memory
from gdbheap.inside_gdb import process as gdb_process
from gdbheap.inside_gdb.call_source import call_source, evaluate_in_frame
from gdbheap.inside_gdb.vectors import vector_words

if TYPE_CHECKING:
    from gdbheap.elf.cache import SymbolCache
    from gdbheap.elf.debug_search import DebugSearch
    from gdbheap.process.frame import Frame
    from gdbheap.process.process import Process
    from gdbheap.process.recording import Recording, Sampling
    from gdbheap.process.stop import Stop
    from gdbheap.types.local_variable import LocalVariable, ToldType


class GdbDebugger:
    """A Debugger (session/debugger.py) on gdb's selected inferior."""

    evaluate = staticmethod(expressions.evaluate)
    typed = staticmethod(typed_memory.named)
    pointed_to = staticmethod(typed_memory.pointed_to)
    symbol_at = staticmethod(expressions.symbol_at)
    demangled = staticmethod(expressions.demangled)
    stack_place = staticmethod(frames.stack_place)
    call_source = staticmethod(call_source)
    evaluate_in_frame = staticmethod(evaluate_in_frame)
    gather = staticmethod(gdb_process.gather)
    selected_thread = staticmethod(gdb_process.selected_lwp)
    detach = staticmethod(gdb_process.detach)

    def __init__(self, setting: Callable[[str], Any]) -> None:
        self.setting = setting

    def stop_key(self) -> object | None:
        key = gdb_process.stop_key()
        return None if gdb_process.runs_on() else key

    def stop(self, process: Process) -> Stop:
        from gdbheap.inside_gdb.stop import read_stop  # for those who ask why it stopped

        return read_stop(process)

    def debug_search(self) -> DebugSearch:
        from gdbheap.elf.debug_search import DebugSearch, debuginfod_cache

        return DebugSearch(gdb_process.debug_directories(), debuginfod_cache())

    def symbol_cache(self) -> SymbolCache | None:
        from gdbheap.elf.cache import SymbolCache, cache_directory

        directory = cache_directory()
        return SymbolCache(directory) if directory else None

    def local_variables(self, process: Process) -> tuple[LocalVariable, ...]:
        from gdbheap.inside_gdb.local_variables import local_variables  # kept out of gdb's start

        return local_variables(process)

    def types_in_function(self, process: Process, address: int) -> tuple[ToldType, ...]:
        from gdbheap.inside_gdb.local_variables import types_in_function  # kept out of gdb's start

        return types_in_function(address)

    def frames(self, process: Process, lwp: int | None, most: int) -> tuple[Frame, ...]:
        return backtrace.frames(lwp, process, most)

    def say(self, text: str) -> None:
        gdb.write(text, gdb.STDERR)  # standard output is the answer's
        gdb.flush(gdb.STDERR)

    def check_recording(self) -> None:
        if gdb.parameter("non-stop"):
            raise UsageError(
                "in non-stop mode gdb runs each thread by itself: `set non-stop off` before the program is run (or "
                "attached to), then heap record"
            )

    def record(self, process: Process, sampling: Sampling) -> Recording:
        from gdbheap.inside_gdb.recorder import record  # for the few who record

        try:
            return record(process, sampling)
        except gdb.error as error:
            raise UsageError(f"gdb cannot let the process run: {error}") from error

    def frame_at(self, process: Process, address: int) -> Frame:
        return backtrace.frame_at(address, process)

    def code_at(self, process: Process, address: int) -> tuple[tuple[int, str], ...]:
        return code.code_at(process, address)

    def vector_registers(self, process: Process) -> Iterator[tuple[int, str, int]]:
        return vector_words(process)
