"""Frames as debug information tells of them: the functions of each level of a stack, those inlined there among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.call_sites import Call, entry_value
from gdbheap.elf.code.lines import Line, UnitLines
from gdbheap.elf.code.scopes import FunctionScope, scopes_at
from gdbheap.elf.code.units import ModuleCode
from gdbheap.elf.code.variables import Variable, frame_base, static_variable, variables
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.dies import constant_of
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.expression import Surroundings
from gdbheap.elf.unwind.tables import CfiTables
from gdbheap.elf.unwind.unwinder import StackLevel
from gdbheap.process.process import Module, Process

# For what is asked of types: a few entries each.
_STEPS = 1 << 24


@dataclass(frozen=True)
class _Told:
    """What is told of an address: `address` as it is linked, the unit that has it, the functions."""

    module: Module
    address: int
    code: ModuleCode
    unit: Any
    scopes: tuple[FunctionScope, ...]


@dataclass(frozen=True)
class CodeFrame:
    """A frame of a function; those of functions inlined into one share its level of the stack, which is at `index`.
    `scope` is None where no debug information tells of it."""

    index: int
    level: StackLevel
    scope: FunctionScope | None
    line: Line | None


class CodeFrames:
    """Tells of levels of stacks; keeps what it has read. Nothing that is broken raises."""

    def __init__(self, process: Process, search: DebugSearch, tables: CfiTables) -> None:
        self._process, self._search, self._tables = process, search, tables
        self._modules: dict[str, ModuleCode] = {}
        self._lines: dict[tuple[str, int], UnitLines | None] = {}
        self._told: dict[int, _Told | None] = {}
        self.anywhere = Budget(_STEPS)

    def frames(self, levels: Sequence[StackLevel]) -> Iterator[CodeFrame]:
        """Yield the frames of a stack, the innermost first."""
        for index, level in enumerate(levels):
            told = self._at(level.code)
            if told is None:
                yield CodeFrame(index, level, None, None)
                continue
            line = self._line_of(told)
            for scope in told.scopes:
                yield CodeFrame(index, level, scope, line)
                line = self._call_line(told, scope)

    def line_at(self, address: int) -> Line | None:
        """Return the line of source of an address of code."""
        told = self._at(address)
        return None if told is None else self._line_of(told)

    def function_names(self, address: int) -> tuple[str, str]:
        """Return the name of the innermost function at an address, as it is declared and as it is linked; "" where none
        is told."""
        told = self._at(address)
        return ("", "") if told is None else (told.scopes[0].name, told.scopes[0].linked)

    def variables(self, frame: CodeFrame, levels: Sequence[StackLevel]) -> list[Variable]:
        """Return the variables that are in scope in a frame of the stack of these levels."""
        told = self._at(frame.level.code)
        if told is None or frame.scope is None:
            return []
        around = self._around(told, frame.index, levels)
        try:
            return list(variables(frame.scope, told.address, around, told.code.budget))
        except UNPARSABLE:
            return []

    def static_variable(self, frame: CodeFrame, name: str) -> Variable | None:
        """Return a variable at the top of the unit that a frame is in, by the name it is declared with; `place` is None
        where another unit has it."""
        told = self._at(frame.level.code)
        if told is None:
            return None
        around = Surroundings(
            self._process.pointer_size, lambda _: None, self._process.memory.read, told.module.load_base
        )
        try:
            return static_variable(told.unit, name, around, told.code.budget)
        except UNPARSABLE:
            return None

    def _at(self, address: int) -> _Told | None:
        if address not in self._told:
            try:
                self._told[address] = self._read(address)
            except UNPARSABLE:
                self._told[address] = None
        return self._told[address]

    def _read(self, address: int) -> _Told | None:
        module = self._tables.module_at(address)
        if module is None:
            return None
        if module.path not in self._modules:
            self._modules[module.path] = ModuleCode(module, self._search)
        code = self._modules[module.path]
        linked = (address - module.load_base) & self._process.machine.mask
        unit = code.unit_at(linked)
        scopes = () if unit is None else scopes_at(unit, linked, code.budget)
        return _Told(module, linked, code, unit, scopes) if scopes else None

    def _unit_lines(self, told: _Told) -> UnitLines | None:
        key = (told.module.path, told.unit.cu_offset)
        if key not in self._lines:
            try:
                self._lines[key] = UnitLines(told.unit)
            except UNPARSABLE:
                self._lines[key] = None
        return self._lines[key]

    def _line_of(self, told: _Told) -> Line | None:
        lines = self._unit_lines(told)
        try:
            return None if lines is None else lines.at(told.address)
        except UNPARSABLE:
            return None

    def _call_line(self, told: _Told, scope: FunctionScope) -> Line | None:
        """Return the line from which an inlined function was called."""
        lines = self._unit_lines(told)
        if lines is None or not scope.is_inlined:
            return None
        try:
            file, line = constant_of(scope.entry, "DW_AT_call_file"), constant_of(scope.entry, "DW_AT_call_line")
            return lines.of(file, line)
        except UNPARSABLE:
            return None

    def _around(self, told: _Told, index: int, levels: Sequence[StackLevel]) -> Surroundings:
        """Return what the expressions of a level may ask. (What a function inlined there has for its frame's base is
        that of the function it was inlined into.)"""
        level, machine = levels[index], self._process.machine
        names = machine.dwarf_registers

        def register(number: int) -> int | None:
            return level.registers.get(names[number]) if 0 <= number < len(names) else None

        def base() -> int | None:
            return frame_base(told.scopes[-1], told.address, around)

        def entry(number: int) -> int | None:
            return self._entry_value(told, index, levels, number)

        around = Surroundings(
            self._process.pointer_size,
            register,
            self._process.memory.read,
            told.module.load_base,
            base,
            lambda: level.address,
            entry,
        )
        return around

    def _entry_value(self, told: _Told, index: int, levels: Sequence[StackLevel], number: int) -> int | None:
        """Return what a register held as the function of a level was called; None where the call does not tell."""
        if index + 1 >= len(levels) or levels[index].is_signal or levels[index + 1].is_signal:
            return None
        caller = self._at(levels[index + 1].code)
        if caller is None:
            return None
        back = (levels[index + 1].program_counter - caller.module.load_base) & self._process.machine.mask
        around = self._around(caller, index + 1, levels)
        call = Call(caller.scopes[-1], back, around, caller.code.budget)
        return entry_value(call, told.scopes[-1], number)
