"""A core as a Debugger: what takes an unwinder, a disassembler or an evaluator of expressions is not known, and all
else is as gdb has it."""

from __future__ import annotations

import bisect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.core_file import open_core
from gdbheap.elf.data_symbols import code_symbols, data_symbols
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.errors import HeapError, NoProcess, UsageError
from gdbheap.interface.settings import SETTINGS
from gdbheap.lazy import np
from gdbheap.machine.machines import KNOWN
from gdbheap.process.frame import Frame
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Module, Process, Thread
from gdbheap.process.recording import Recording, Sampling
from gdbheap.process.signal_info import FATAL, SIGTRAP, signal_name
from gdbheap.process.stop import Stop
from gdbheap.process.system_calls import is_at_own_trap
from gdbheap.without_gdb.demangle import demangled

_REGISTER = re.compile(r"\$([a-z][a-z0-9_]*)")


class CoreDebugger:
    """A Debugger (gdbheap/session/debugger.py) on the core at `path`; what is read out of the modules' files is kept in
    the `cache`, if any. `locate` says where a file of the core's is here. Raise HeapError where it is no core that can
    be read."""

    def __init__(
        self,
        path: str,
        cache: SymbolCache | None,
        search: DebugSearch,
        locate: Callable[[str], str] = lambda path: path,
    ) -> None:
        self._cache = cache
        self._core = open_core(path, locate)
        if self._core.known is None:
            raise HeapError(f"this core is of another machine, {self._core.machine}: gdbheap reads {KNOWN}")
        self._search = search
        self._process = self._core.process()
        if len(self._process.threads) > 1:
            # As gdb numbers them: the first is the one that died.
            numbered = (replace(each, number=number) for number, each in enumerate(self._process.threads, 1))
            self._process = replace(self._process, threads=tuple(numbered))
        self._places = sorted(
            (segment.start, segment.end, number)
            for number, module in enumerate(self._process.modules)
            for segment in module.segments
        )
        self._symbols: dict[tuple[int, bool], Any] = {}

    def stop_key(self) -> object:
        return "the core's"

    def gather(self) -> Process:
        return self._process

    def debug_search(self) -> DebugSearch:
        return self._search

    def symbol_cache(self) -> SymbolCache | None:
        return self._cache

    def setting(self, name: str) -> Any:
        return next(each.default for each in SETTINGS if each.name == name)

    def evaluate(self, expression: str) -> int:
        """A number, or a register of the first thread ($sp, $pc or by its name); UsageError for all else."""
        register = _REGISTER.fullmatch(expression.strip())
        try:
            return int(expression, 0) & ((1 << 64) - 1) if register is None else self._registers()[register[1]]
        except (ValueError, KeyError):
            raise UsageError(
                f"{expression}: without gdb an address is a number (0x...) or a register of the thread that died ($sp)"
            ) from None

    def _registers(self) -> Mapping[str, int]:
        machine, threads = self._process.machine, self._process.threads
        if not threads:
            return {}
        found = threads[0].registers
        names = {"sp": machine.stack_pointer, "pc": machine.program_counter}
        return {**found, **{name: found[own] for name, own in names.items() if own in found}}

    def typed(self, name: str) -> None:
        return None

    def pointed_to(self, expression: str) -> None:
        return None

    def symbol_at(self, address: int) -> NamedAddress | None:
        number = self._module_at(address)
        if number is None:
            return None
        module = self._process.modules[number]
        linked = np.array([(address - module.load_base) & ((1 << 64) - 1)], np.uint64)
        for is_code in (True, False):
            symbols = self._symbols_of(number, is_code)
            index = int(symbols.find(linked)[0])
            if index >= 0:
                name = demangled(symbols.name(index))
                return NamedAddress(name, int(linked[0] - symbols.start[index]), os.path.basename(module.path))
        return None

    def demangled(self, name: str) -> str:
        return demangled(name)

    def stack_place(self, thread: int, address: int) -> None:
        return None

    def local_variables(self, process: Process) -> tuple[()]:
        return ()

    def frames(self, process: Process, lwp: int | None, most: int) -> tuple[Frame, ...]:
        thread = self._thread(lwp)
        return () if thread is None else (self._innermost(thread),)

    def frame_at(self, process: Process, address: int) -> Frame:
        symbol, number = self.symbol_at(address), self._module_at(address)
        library = "" if number is None else os.path.basename(process.modules[number].path)
        return Frame(0, address, 0, "" if symbol is None else symbol.name, library)

    def code_at(self, process: Process, address: int) -> tuple[()]:
        return ()

    def call_source(self, lwp: int | None, level: int) -> str:
        return ""

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        return None

    def stop(self, process: Process) -> Stop:
        thread = self._thread(None)
        if thread is None:
            raise NoProcess("the core has no threads")
        signal = self._core.signals.get(thread.lwp)
        if signal is not None:
            thread = replace(thread, signal=0)
            if (
                signal.signal == SIGTRAP
                and signal.code > 0
                and not is_at_own_trap(self._process, thread.program_counter)
            ):
                signal = None  # a breakpoint or a step of the debugger's that wrote the core
        number = thread.signal if signal is None else signal.signal
        return Stop(thread, signal, signal_name(number) if number in FATAL else "", frames=(self._innermost(thread),))

    def vector_registers(self, process: Process) -> Iterator[tuple[int, str, int]]:
        return iter(())

    def selected_thread(self) -> int | None:
        return self._process.threads[0].lwp if self._process.threads else None

    def say(self, text: str) -> None:
        """Nothing here takes long enough."""

    def record(self, process: Process, sampling: Sampling) -> Recording:
        raise UsageError("a core does not run: heap record wants a live process")

    def detach(self) -> None:
        raise UsageError("there is no process to detach from: this is a core")

    def _thread(self, lwp: int | None) -> Thread | None:
        threads = self._process.threads
        return next((each for each in threads if lwp is None or each.lwp == lwp), None)

    def _innermost(self, thread: Thread) -> Frame:
        known = self.frame_at(self._process, thread.program_counter)
        return replace(known, stack_pointer=thread.stack_pointer, registers=thread.registers)

    def _module_at(self, address: int) -> int | None:
        place = bisect.bisect_right(self._places, (address, 1 << 65, 0)) - 1
        if place < 0 or not self._places[place][0] <= address < self._places[place][1]:
            return None
        return self._places[place][2]

    def _symbols_of(self, number: int, is_code: bool) -> Any:
        if (number, is_code) not in self._symbols:
            module: Module = self._process.modules[number]
            self._symbols[number, is_code] = (code_symbols if is_code else data_symbols)(module, self._search)
        return self._symbols[number, is_code]
