"""Frames as debug information tells of them: the functions of each level of a stack, those inlined there among them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gdbheap.elf.budget import Budget
from gdbheap.elf.code.call_sites import CallSite, entry_value, site_of
from gdbheap.elf.code.lines import SourceLine, UnitLines
from gdbheap.elf.code.scopes import FunctionScope, scopes_at
from gdbheap.elf.code.tail_calls import tail_calls
from gdbheap.elf.code.units import ModuleCode
from gdbheap.elf.code.variables import FrameVariable, frame_base, static_variable, types_of_variables, variables
from gdbheap.elf.debug_search import DebugSearch
from gdbheap.elf.dies import constant_of, number_type
from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.expression import MemoryPlace, Surroundings
from gdbheap.elf.unwind.tables import CfiTables
from gdbheap.elf.unwind.unwinder import StackLevel
from gdbheap.lazy import dataclass
from gdbheap.process.process import Module, Process

# For what is asked of types: a few entries each.
_STEPS = 1 << 24
NO_LEVEL = -1


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
    """A frame of a function; those of functions inlined into one share its level of the stack, which is at `index`
    (NO_LEVEL: it has left none, for it has called another instead of returning).
    `scope` is None where no debug information tells of it."""

    index: int
    level: StackLevel
    scope: FunctionScope | None
    line: SourceLine | None


class CodeFrames:
    """Tells of levels of stacks; keeps what it has read. Nothing that is broken raises. `address_of` gives where a
    module's symbol of a linked name is."""

    def __init__(
        self,
        process: Process,
        search: DebugSearch,
        tables: CfiTables,
        address_of: Callable[[str, Module], int | None],
    ) -> None:
        self._process, self._search, self._tables, self._address_of = process, search, tables, address_of
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
            yield from self._without_frames(told, index, levels)

    def line_at(self, address: int) -> SourceLine | None:
        """Return the line of source of an address of code."""
        told = self._at(address)
        return None if told is None else self._line_of(told)

    def function_names(self, address: int) -> tuple[str, str]:
        """Return the name of the innermost function at an address, as it is declared and as it is linked; "" where none
        is told."""
        told = self._at(address)
        return ("", "") if told is None else (told.scopes[0].name, told.scopes[0].linked)

    def variables(self, frame: CodeFrame, levels: Sequence[StackLevel]) -> list[FrameVariable]:
        """Return the variables that are in scope in a frame of the stack of these levels."""
        told = self._at(frame.level.code)
        if told is None or frame.scope is None:
            return []
        has_left = frame.index == NO_LEVEL
        around = self._left(told, frame.level) if has_left else self._around(told, frame.index, levels)
        try:
            found = list(variables(frame.scope, told.address, around, told.code.budget))
        except UNPARSABLE:
            return []
        return [each for each in found if not has_left or _is_passed(each, frame.level)]

    def types_in_function(self, address: int) -> Iterator[Any]:
        """Yield the types of the variables and arguments of the function that begins at an address."""
        told = self._at(address)
        if told is not None:
            with contextlib.suppress(*UNPARSABLE):
                yield from types_of_variables(told.scopes[-1].entry, told.code.budget)

    def static_variable(self, frame: CodeFrame, name: str) -> FrameVariable | None:
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
        if module is None or not _is_code(module, address):
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

    def _line_of(self, told: _Told) -> SourceLine | None:
        lines = self._unit_lines(told)
        try:
            return None if lines is None else lines.at(told.address)
        except UNPARSABLE:
            return None

    def _call_line(self, told: _Told, scope: FunctionScope) -> SourceLine | None:
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
            number_type=lambda offset: number_type(told.unit, offset),
        )
        return around

    def _left(self, told: _Told, level: StackLevel) -> Surroundings:
        """Return what the expressions of a function that called on instead of returning may ask: its registers are
        others' now."""

        def base() -> int | None:
            return frame_base(told.scopes[-1], told.address, around)

        around = Surroundings(
            self._process.pointer_size,
            lambda _: None,
            self._process.memory.read,
            told.module.load_base,
            base,
            lambda: level.address,
        )
        return around

    def _without_frames(self, told: _Told, index: int, levels: Sequence[StackLevel]) -> Iterator[CodeFrame]:
        """Yield frames for the functions that called on instead of returning, between a level and its caller."""
        call, level = self._call(index, levels), levels[index]
        if call is None or level.address is None:
            return
        try:
            site = site_of(call)
            chain = [] if site is None else tail_calls(site, told.scopes[-1], lambda name: self._function(told, name))
        except UNPARSABLE:
            return
        machine, outer = self._process.machine, levels[index + 1]
        # (As on entry: what such a function had on the stack, it has given back before the jump.)
        pointer = level.address - machine.pointer_size if not machine.return_register else level.address
        for scope, back in chain:
            counter = (back + told.module.load_base) & machine.mask
            registers = {**outer.registers, machine.program_counter: counter, machine.stack_pointer: pointer}
            made = StackLevel(counter, pointer, registers, counter - 1, level.address, False, False)
            yield CodeFrame(NO_LEVEL, made, scope, self.line_at(counter - 1))

    def _function(self, told: _Told, name: str) -> tuple[FunctionScope, Budget] | None:
        """Return a function of a module by its linked name, and what may be spent on it."""
        address = self._address_of(name, told.module)
        found = None if address is None else self._at(address)
        return None if found is None else (found.scopes[-1], found.code.budget)

    def _call(self, index: int, levels: Sequence[StackLevel]) -> CallSite | None:
        """Return the call that has made a level's function run; None where it was none, or nothing tells of it."""
        if index + 1 >= len(levels) or levels[index].is_signal or levels[index + 1].is_signal:
            return None
        caller = self._at(levels[index + 1].code)
        if caller is None:
            return None
        back = (levels[index + 1].program_counter - caller.module.load_base) & self._process.machine.mask
        return CallSite(caller.scopes[-1], back, self._around(caller, index + 1, levels), caller.code.budget)

    def _entry_value(self, told: _Told, index: int, levels: Sequence[StackLevel], number: int) -> int | None:
        """Return what a register held as the function of a level was called; None where the call does not tell."""
        call = self._call(index, levels)
        return None if call is None else entry_value(call, told.scopes[-1], number)


def _is_passed(variable: FrameVariable, level: StackLevel) -> bool:
    """Whether it lies where a level's caller has put it."""
    place = variable.place
    return isinstance(place, MemoryPlace) and level.address is not None and place.address >= level.address


def _is_code(module: Module, address: int) -> bool:
    """Whether the address is where the module has code: what lies in its data is no function's. The kernel's module
    tells no segments."""
    there = [each for each in module.segments if each.start <= address < each.end]
    return all("x" in each.permissions for each in there)
