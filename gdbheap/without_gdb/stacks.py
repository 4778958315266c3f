"""The call stacks of a process, unwound without a debugger, as values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from gdbheap.elf.code.frames import CodeFrame, CodeFrames
from gdbheap.elf.code.type_words import ARRAY, POINTERS, REFERENCES, SCALARS, size_of_type, stripped
from gdbheap.elf.code.variables import FrameVariable, is_signed
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.dies import type_of
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.expression import InRegister, MemoryPlace
from gdbheap.elf.unwind.tables import VDSO, CfiTables
from gdbheap.elf.unwind.unwinder import StackLevel, Unwinder
from gdbheap.errors import MemoryFault
from gdbheap.glibc.locate.find_libc import renamed_libcs
from gdbheap.process.frame import Frame
from gdbheap.process.process import Process, Thread
from gdbheap.without_gdb.demangle import demangled, without_parameters
from gdbheap.without_gdb.symbols import AddressNames

_MAIN = "main"
_WORD = (1 << 64) - 1


class Stacks:
    """The stacks of a process, and its symbols."""

    def __init__(self, process: Process, search: DebugSearch) -> None:
        self._process = process
        self.tables = CfiTables(process, search)
        self.symbols = AddressNames(process, search, self.tables.module_at)
        self._symbol_at = self.symbols.at
        self._unwinder = Unwinder(process, self.tables, self._function_start)
        self.code = CodeFrames(process, search, self.tables, self.symbols.in_module)
        self._levels: dict[tuple[int, int], tuple[StackLevel, ...]] = {}
        self._renamed = {os.path.basename(each.path) for each in renamed_libcs(process)}

    def levels(self, thread: Thread, most: int) -> tuple[StackLevel, ...]:
        """Return the innermost `most` levels of a thread's stack, down to main's."""
        key = (thread.lwp, most)
        if key not in self._levels:
            self._levels[key] = tuple(self._down_to_main(thread, most))
        return self._levels[key]

    def code_frames(self, thread: Thread, most: int) -> list[CodeFrame]:
        """Return the innermost `most` frames, those of inlined functions among them."""
        return list(self.code.frames(self.levels(thread, most)))[:most]

    def frames(self, thread: Thread, most: int) -> tuple[Frame, ...]:
        """Return the same as values."""
        levels = self.levels(thread, most)
        found = self.code_frames(thread, most)
        return tuple(self._frame(each, number, levels) for number, each in enumerate(found))

    def name(self, frame: CodeFrame) -> str:
        """Return the name of a frame's function; "" where nobody knows it."""
        if frame.scope is None:
            symbol = self._symbol_at(frame.level.code)
            return "" if symbol is None else symbol.name
        return without_parameters(demangled(frame.scope.linked)) if frame.scope.linked else frame.scope.name

    def library(self, address: int) -> str:
        """Return the file name of the shared library that an address is in, "" where it is in none."""
        module = self.tables.module_at(address)
        if module is None or module == self._process.main or module.path == VDSO:
            return ""
        name = os.path.basename(module.path)
        return "libc.so.6" if name in self._renamed else name

    def frame_at(self, address: int) -> Frame:
        """Return what is known of the function at an address, as a frame without a stack."""
        symbol = self._symbol_at(address)
        return Frame(0, address, 0, "" if symbol is None else symbol.name, self.library(address))

    def word_of(self, variable: FrameVariable, level: StackLevel) -> int | None:
        """Return a variable's value as an address: of a number, a pointer or what a reference is of; of an array where
        it is. None where it has none."""
        kind = stripped(variable.type)
        try:
            if kind is None or variable.place is None:
                return None
            if kind.tag in REFERENCES:
                target = stripped(type_of(kind))
                address = self._value(variable, kind, level)
                if address is None or target is None or target.tag == ARRAY:
                    return address
                return self._read(address, target) if target.tag in (*SCALARS, *POINTERS) else None
            if kind.tag == ARRAY:
                return variable.place.address if isinstance(variable.place, MemoryPlace) else None
            return self._value(variable, kind, level) if kind.tag in (*SCALARS, *POINTERS) else None
        except (MemoryFault, OverflowError, *UNPARSABLE):
            return None

    def reference(self, variable: FrameVariable, level: StackLevel) -> int | None:
        """Return the address of what a reference is of."""
        try:
            return self._value(variable, stripped(variable.type), level)
        except (MemoryFault, OverflowError, *UNPARSABLE):
            return None

    def _value(self, variable: FrameVariable, kind: object, level: StackLevel) -> int | None:
        place = variable.place
        if isinstance(place, MemoryPlace):
            return self._read(place.address, kind)
        if isinstance(place, InRegister):
            names = self._process.machine.dwarf_registers
            value = level.registers.get(names[place.number]) if place.number < len(names) else None
        else:
            value = None if place is None else place.value
        return None if value is None else self._extended(value, kind)

    def _read(self, address: int, kind: object) -> int | None:
        size = self._size(kind)
        return (
            self._extended(int.from_bytes(self._process.memory.read(address, size), "little"), kind) if size else None
        )

    def _size(self, kind: object) -> int:
        size = size_of_type(kind, self.code.anywhere)
        return size if 0 < size <= 8 else 0

    def _extended(self, value: int, kind: object) -> int:
        """Return a value of a type's size as the debugger's word: with its sign."""
        bits = 8 * (self._size(kind) or 8)
        value &= (1 << bits) - 1
        return (value - (1 << bits) & _WORD) if is_signed(kind) and value >> bits - 1 else value

    def _down_to_main(self, thread: Thread, most: int) -> Iterator[StackLevel]:
        for level in self._unwinder.levels(thread, most):
            yield level
            declared, linked = self.code.function_names(level.code)
            symbol = None if declared else self._symbol_at(level.code)
            if (declared or ("" if symbol is None else symbol.name)) == _MAIN and not linked:
                return

    def _function_start(self, address: int) -> int | None:
        symbol = self._symbol_at(address)
        return None if symbol is None else address - symbol.offset

    def _frame(self, found: CodeFrame, number: int, levels: Sequence[StackLevel]) -> Frame:
        machine, level = self._process.machine, found.level
        places = (machine.stack_pointer, machine.program_counter)
        registers = {
            name: level.registers[name] for name in machine.general if name not in places and name in level.registers
        }
        arguments, pointers = self._arguments(found, levels)
        name = self.name(found)
        is_last = found.index == len(levels) - 1 and (found.scope is None or not found.scope.is_inlined)
        return Frame(
            number,
            level.program_counter,
            level.stack_pointer,
            name,
            self.library(level.program_counter),
            arguments,
            registers,
            "" if found.line is None else f"{found.line.file}:{found.line.number}",
            level.is_signal,
            is_last and (level.is_outermost or name == _MAIN),
            pointers=pointers,
        )

    def _arguments(self, found: CodeFrame, levels: Sequence[StackLevel]) -> tuple[dict[str, int], frozenset[str]]:
        arguments: dict[str, int] = {}
        pointers = set()
        if found.scope is not None:
            for each in self.code.variables(found, levels):
                value = self.word_of(each, found.level) if each.is_argument else None
                if value is not None:
                    arguments[each.name] = value
                    kind = stripped(each.type)
                    pointers |= {each.name} if kind is not None and kind.tag in POINTERS else set()
        return arguments, frozenset(pointers)
