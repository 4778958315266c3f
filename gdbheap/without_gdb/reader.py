"""A process as a Debugger, told by its memory and the files of its modules: what takes an evaluator of expressions is
not known, and all else is as gdb has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gdbheap.elf.cache import SymbolCache
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.errors import MemoryFault, NoProcess, UsageError
from gdbheap.interface.settings import SETTINGS
from gdbheap.lazy import dataclass, regex
from gdbheap.process.frame import Frame
from gdbheap.process.images.function_bounds import function_bounds
from gdbheap.process.named_address import NamedAddress, StackPlace
from gdbheap.process.process import Process, Thread
from gdbheap.process.recording import Recording, Sampling
from gdbheap.process.source_lines import source_lines
from gdbheap.process.stop import Stop
from gdbheap.process.system_calls import is_behind_system_call
from gdbheap.types.local_variable import LocalVariable, ToldType
from gdbheap.without_gdb.demangle import demangled
from gdbheap.without_gdb.frame_variables import local_variables, stack_place, types_in_function
from gdbheap.without_gdb.instructions import Instructions
from gdbheap.without_gdb.missing_files import missing_files
from gdbheap.without_gdb.named_values import NamedValues
from gdbheap.without_gdb.stacks import Stacks
from gdbheap.without_gdb.stops import StopKnowledge, Stops

_REGISTER = regex(r"\$([a-z][a-z0-9_]*)")
# What commands ask of a symbol: where it is, and the int there.
_SYMBOL = regex(r"(\*\(unsigned int \*\)|\(unsigned long\))?&([A-Za-z_]\w*)")
_CHAIN = regex(r"[A-Za-z_]\w*(?:(?:->|\.)[A-Za-z_]\w*|\[-?\w+\])*")
# A call's arguments may go on for so many lines.
_CALL_LINES = 4
_MOST_FRAMES = 512


@dataclass(frozen=True)
class Files:
    """Where files are: the `cache` of what was read of them, the `search` for debug files, `locate`, which says where a
    path of the process's is here, and `fetch`, which brings one here by its build-id. `remarks` says what came of that.
    """

    cache: SymbolCache | None
    search: DebugSearch
    locate: Callable[[str], str] = lambda path: path
    fetch: Callable[[str], str | None] = lambda build_id: None
    remarks: Callable[[], tuple[str, ...]] = tuple


class Reader:
    """A Debugger (gdbheap/session/debugger.py) on a process whose memory can be read, and that stands still."""

    def __init__(self, process: Process, told: StopKnowledge, files: Files) -> None:
        self._process, self._files = process, files
        self._told, self._vectors = told.remarks, told.vectors
        self._stacks = Stacks(process, files.search)
        self._symbols = self._stacks.symbols
        self._instructions = Instructions(process, self._symbols.linked_at)
        self._stops = Stops(process, told, self._stacks, self._instructions)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the reader of an answer must know of how the process was read."""
        return (*self._told, *self.fetched, *missing_files(self._process))

    @property
    def fetched(self) -> tuple[str, ...]:
        """What came of asking others for files."""
        return self._files.remarks()

    def stop_key(self) -> object:
        return "the only one"

    def gather(self) -> Process:
        return self._process

    def debug_search(self) -> DebugSearch:
        return self._files.search

    def symbol_cache(self) -> SymbolCache | None:
        return self._files.cache

    def setting(self, name: str) -> Any:
        return next(each.default for each in SETTINGS if each.name == name)

    def evaluate(self, expression: str) -> int:
        """A number, a register of the first thread ($sp, $pc or by its name), &symbol, or a variable of the innermost
        frame ("p->next"); UsageError for all else."""
        text = expression.strip()
        register = _REGISTER.fullmatch(text)
        try:
            return int(text, 0) & ((1 << 64) - 1) if register is None else self._registers()[register[1]]
        except (ValueError, KeyError):
            pass
        symbol = _SYMBOL.fullmatch(text)
        found = self.evaluate_in_frame(None, 0, text) if symbol is None else self._symbol(*symbol.groups(""))
        if found is None:
            raise UsageError(
                f"{expression}: without gdb an address is a number (0x...), a register of the thread that died ($sp), "
                "a symbol (&main_arena) or a variable of the innermost frame (p->next)"
            )
        return found

    def _symbol(self, cast: str, name: str) -> int | None:
        """Return where the symbol of that name is, in the first module that has it, or the int there; None: nowhere."""
        places = (self._symbols.in_module(name, each) for each in self._process.modules)
        place = next((each for each in places if each is not None), None)
        if place is None or not cast.startswith("*"):
            return place
        try:
            return int.from_bytes(self._process.memory.read(place, 4), "little")
        except MemoryFault:
            return None

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
        return self._symbols.at(address)

    def demangled(self, name: str) -> str:
        return demangled(name)

    def stack_place(self, thread: int, address: int) -> StackPlace | None:
        found = next((each for each in self._process.threads if each.number == thread), None)
        return None if found is None else stack_place(self._stacks, found, address)

    def local_variables(self, process: Process) -> tuple[LocalVariable, ...]:
        return local_variables(process, self._stacks)

    def types_in_function(self, process: Process, address: int) -> tuple[ToldType, ...]:
        return types_in_function(address, self._stacks)

    def frames(self, process: Process, lwp: int | None, most: int) -> tuple[Frame, ...]:
        thread = self._thread(lwp)
        return () if thread is None else self._stacks.frames(thread, most)

    def frame_at(self, process: Process, address: int) -> Frame:
        return self._stacks.frame_at(address)

    def code_at(self, process: Process, address: int) -> tuple[tuple[int, str], ...]:
        bounds = function_bounds(process, address)
        return () if bounds is None else self._instructions.between(*bounds)

    def call_source(self, lwp: int | None, level: int) -> str:
        thread = self._thread(lwp)
        found = [] if thread is None else self._stacks.code_frames(thread, level + 1)
        line = found[level].line if level < len(found) else None
        return "" if line is None else "\n".join(source_lines(line.path, line.number, _CALL_LINES))

    def evaluate_in_frame(self, lwp: int | None, level: int, expression: str) -> int | None:
        thread = self._thread(lwp)
        chain = re.sub(r"\s", "", expression)
        if thread is None or _CHAIN.fullmatch(chain) is None:
            return None
        levels, found = self._stacks.levels(thread, level + 1), self._stacks.code_frames(thread, level + 1)
        if level >= len(found):
            return None
        return NamedValues(self._process, self._stacks, found[level], levels).word(chain)

    def stop(self, process: Process) -> Stop:
        thread = self._thread(None)
        if thread is None:
            raise NoProcess("no thread of it is known")
        return self._stops.stop(thread)

    def vector_registers(self, process: Process) -> Iterator[tuple[int, str, int]]:
        for thread in process.threads:
            if not is_behind_system_call(process, thread.program_counter):
                for name, word in self._vectors.get(thread.lwp, ()):
                    yield thread.number, name, word

    def selected_thread(self) -> int | None:
        return self._process.threads[0].lwp if self._process.threads else None

    def say(self, text: str) -> None:
        """Nothing here takes long enough."""

    def check_recording(self) -> None:
        """No check is needed: gdb's command line alone has the command."""

    def record(self, process: Process, sampling: Sampling) -> Recording:
        raise UsageError("heap record lets the process run, which takes gdb: python3 -m gdbheap attach PID")

    def detach(self) -> None:
        raise UsageError("there is no debugger to detach")

    def _thread(self, lwp: int | None) -> Thread | None:
        threads = self._process.threads
        return next((each for each in threads if lwp is None or each.lwp == lwp), None)
