"""From a frame to its caller's: by call frame information, and by the machine's habits where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gdbheap.elf.elf_reader import UNPARSABLE
from gdbheap.elf.unwind.cfi import Description, RuleKind, Rules, UnwindRule, rules_at
from gdbheap.elf.unwind.expression import InRegister, MemoryPlace, Surroundings, Worth, evaluate
from gdbheap.elf.unwind.tables import CfiTables
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.process import Process, Thread


@dataclass(frozen=True)
class StackLevel:
    """A frame as far as its machine's registers tell of it. `registers` are those that are known in it, by name,
    the program counter and stack pointer among them. `code` is an address in the instruction that it executes: that of
    the call, where it has called. `address` is its canonical frame address (None: not known). `is_signal`: the kernel
    made it to run a handler; `is_outermost`: its information says that nobody called it."""

    program_counter: int
    stack_pointer: int
    registers: Mapping[str, int]
    code: int
    address: int | None
    is_signal: bool
    is_outermost: bool


class Unwinder:
    """Unwinds threads' stacks. `function_at` gives where the function that an address lies in begins (None: not
    known)."""

    def __init__(self, process: Process, tables: CfiTables, function_at: Callable[[int], int | None]) -> None:
        self._process, self._tables, self._function_at = process, tables, function_at
        self._names = process.machine.dwarf_registers

    def levels(self, thread: Thread, most: int) -> Iterator[StackLevel]:
        """Yield the frames of a thread, the innermost first, at most so many of them."""
        machine = self._process.machine
        registers: Mapping[str, int] | None = thread.registers
        inner_was_call = False
        for _ in range(most):
            if registers is None:
                return
            counter, pointer = registers[machine.program_counter], registers[machine.stack_pointer]
            code = counter - inner_was_call
            level, outer = self._unwound(registers, counter, code, pointer)
            yield level
            if outer is None or level.is_outermost:
                return
            # A caller's frame lies above; but for a handler's own stack.
            if not level.is_signal and outer[machine.stack_pointer] < pointer:
                return
            if outer[machine.stack_pointer] == pointer and outer[machine.program_counter] == counter:
                return
            if not outer[machine.program_counter] and inner_was_call:
                return
            registers, inner_was_call = outer, not level.is_signal

    def _unwound(
        self, registers: Mapping[str, int], counter: int, code: int, pointer: int
    ) -> tuple[StackLevel, Mapping[str, int] | None]:
        entry = self._tables.find(code)
        # (Its trampoline was not called: the byte before it is there for those who take it for a call.)
        code = counter if entry is not None and entry.common.is_signal else code
        if entry is not None:
            try:
                return self._by_rules(registers, counter, code, pointer, entry)
            except (MemoryFault, *UNPARSABLE):
                return StackLevel(counter, pointer, registers, code, None, entry.common.is_signal, False), None
        interrupted = self._interrupted(registers)
        if interrupted is not None:
            above = interrupted[self._process.machine.stack_pointer]
            return StackLevel(counter, pointer, registers, counter, above, True, False), interrupted
        outer = self._by_habit(registers, counter)
        address = None if outer is None else outer[self._process.machine.stack_pointer]
        return StackLevel(counter, pointer, registers, code, address, False, False), outer

    def _interrupted(self, registers: Mapping[str, int]) -> Mapping[str, int] | None:
        try:
            return self._process.machine.code.interrupted_registers(self._process, registers)
        except (MemoryFault, OverflowError):
            return None

    def _by_habit(self, registers: Mapping[str, int], counter: int) -> Mapping[str, int] | None:
        try:
            return self._process.machine.code.caller_registers(self._process, registers, self._function_at(counter))
        except (MemoryFault, OverflowError):
            return None

    def _by_rules(
        self, registers: Mapping[str, int], counter: int, code: int, pointer: int, entry: Description
    ) -> tuple[StackLevel, Mapping[str, int] | None]:
        size = self._process.pointer_size
        rules = rules_at(entry, code, size)
        around = Surroundings(size, lambda number: registers.get(self._name(number)), self._process.memory.read)
        address = self._frame_address(rules, around)
        link = entry.common.return_register
        ends = rules.registers.get(link, UnwindRule(RuleKind.OFFSET)).kind == RuleKind.UNDEFINED
        level = StackLevel(counter, pointer, registers, code, address, entry.common.is_signal, ends)
        if address is None or ends:
            return level, None
        return level, self._outer(registers, rules, link, address, around)

    def _outer(
        self, registers: Mapping[str, int], rules: Rules, link: int, address: int, around: Surroundings
    ) -> Mapping[str, int] | None:
        machine = self._process.machine
        outer = dict(registers)
        outer[machine.stack_pointer] = address
        for number, rule in rules.registers.items():
            name, value = self._name(number), self._value(rule, address, around)
            if value is not None and name:
                outer[name] = value & machine.mask
            elif name:
                outer.pop(name, None)
        back = self._value(rules.registers[link], address, around) if link in rules.registers else around.register(link)
        if back is None or machine.stack_pointer not in outer:
            return None
        back &= machine.mask
        outer[machine.program_counter] = self._process.without_signature(back) if rules.is_signed else back
        return outer

    def _name(self, number: int) -> str:
        return self._names[number] if 0 <= number < len(self._names) else ""

    def _frame_address(self, rules: Rules, around: Surroundings) -> int | None:
        if rules.expression:
            found = evaluate(rules.expression, around)
            return found.address if isinstance(found, MemoryPlace) else None
        base = around.register(rules.register)
        return None if base is None else (base + rules.offset) & self._process.machine.mask

    def _value(self, rule: UnwindRule, address: int, around: Surroundings) -> int | None:
        """Return the caller's value of a register; None where it was not kept. MemoryFault."""
        if rule.kind == RuleKind.UNDEFINED:
            return None
        if rule.kind == RuleKind.REGISTER:
            return around.register(rule.number)
        if rule.kind == RuleKind.VALUE_OFFSET:
            return address + rule.number
        place = address + rule.number
        if rule.expression:
            found = evaluate(rule.expression, around, (address,))
            if isinstance(found, InRegister):
                return around.register(found.number)
            if not isinstance(found, MemoryPlace):
                return found.value if isinstance(found, Worth) else None
            place = found.address
            if rule.kind == RuleKind.VALUE_EXPRESSION:
                return place
        return self._process.words.read(place & self._process.machine.mask)
