"""The first argument of a call that has not returned: compilers keep it nowhere, but the code before the call still
tells how it was made.

A function may have left by a jump (a tail call): then the code before the call is that of its caller, and its own is
followed from its start on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gdbheap.errors import MemoryFault
from gdbheap.machine.stopped import CodeLines, NamedPlace, StackFrame, StoppedProcess
from gdbheap.machine.x86.code_steps import follow, operand_value
from gdbheap.machine.x86.register_values import ENTRY, Evaluation, Registers, Value, plus

_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
_PRESERVED = ("rbx", "rbp", "r12", "r13", "r14", "r15")
_PRESERVED_IN_32 = {"rbx": "ebx", "rbp": "ebp", "rsi": "esi", "rdi": "edi"}
_TRANSFER = re.compile(r"(?:(?:bnd|notrack|data16|rex\.\w+|addr32)\s+)*(?P<kind>call|jmp)q?\s+(?P<target>.+)")
_DIRECT = re.compile(r"(?:0x)?(?P<address>[0-9a-f]+)\b")
# jmp *DISPLACEMENT(%rip), as all entries of a PLT have it: behind endbr64, a bnd before it.
_PLT = re.compile(rb"(?:\xf3\x0f\x1e\xfa)?(?:\xf2)?\xff\x25(?P<displacement>.{4})", re.DOTALL)
_PLT_BYTES = 16
# So many functions that left by a jump, and callers from which an argument was handed on, are followed.
_MOST_STEPS = 4


@dataclass(frozen=True)
class _Place:
    """A call or jump in a function's code, and what the registers hold there."""

    text: str
    registers: Registers
    known: Mapping[str, int]
    values: Evaluation

    def register(self, name: str) -> int | None:
        """Return what a register holds; of i386, whose arguments are on the stack, "rdi" is the first of them."""
        if self.registers.word == 8:
            return self.values.of(self.registers[name])
        return_address = 0 if "call" in self.text else self.registers.word
        passed = self.registers.held_at(plus(self.registers["rsp"], return_address)) if name == "rdi" else None
        return None if passed is None else self.values.of(passed)


@dataclass(frozen=True)
class X86CallReader:
    """Reads calls. `code_at` gives the instructions of the function that an address lies in, () where its bounds are
    not known; `symbol_at` the symbol that an address is in. `callees` are the names of the functions whose calls are
    read."""

    process: StoppedProcess
    code_at: Callable[[int], CodeLines]
    symbol_at: Callable[[int], NamedPlace | None]
    callees: re.Pattern[str]

    def first_argument(self, frames: Sequence[StackFrame], index: int) -> int | None:
        """Return what frame `index`, which has called one of the callees, passed to it; None where no code tells for
        sure."""
        inner = _without_inlined(frames[:index])
        is_entered = bool(inner) and self.callees.match(inner[-1].function) is not None
        received = self._received(inner, "rdi") if is_entered and self.process.pointer_size == 8 else None
        if received is not None:
            return received
        made = self._argument(frames, index, "rdi", self._is_callee, 0)
        if made:
            return made
        # What was passed is not NULL: no callee would have come to what it died of.
        return self._at_top_of_stack(frames[index]) if is_entered and self.process.pointer_size == 4 else None

    def _at_top_of_stack(self, frame: StackFrame) -> int | None:
        """Return what is where i386 passes the first argument. The place belongs to the function that was called: it
        may have overwritten it."""
        try:
            return self.process.words.read(frame.stack_pointer) or None
        except MemoryFault:
            return None

    def _received(self, frames: Sequence[StackFrame], name: str) -> int | None:
        """Return what a register held when the outermost of these frames was entered, where it or one that it called
        has kept it."""
        if not frames:
            return None
        frame = frames[-1]
        code = self.code_at(frame.program_counter - 1)
        at = _before(code, frame.program_counter)
        if at is None:
            return None
        registers = follow(code, at)
        known = self._known(frame, code[at][1])
        wanted = ("unknown", ENTRY, name)
        found = Evaluation(registers, known, self.process.memory, _nobody).of(wanted)
        handed_on = [each for each in _ARGUMENTS if _begins_with(registers[each], wanted)]
        for each in handed_on if found is None and registers.is_sure and len(frames) > 1 else ():
            held = self._received(frames[:-1], each)
            if held is not None and self._calls(code[at][1], frames[-2]):
                return Evaluation(registers, {each: held}, self.process.memory, _nobody).of(wanted)
        return found if registers.is_sure else None

    def _calls(self, text: str, frame: StackFrame) -> bool:
        """Whether the call goes straight to the function that the frame is in."""
        match = _TRANSFER.match(text.strip())
        direct = _DIRECT.match(match["target"]) if match is not None else None
        code = self.code_at(frame.program_counter - 1)
        return direct is not None and bool(code) and code[0][0] == int(direct["address"], 16)

    def _is_callee(self, target: int) -> bool:
        symbol = self.symbol_at(target)
        # (A stub is behind its name's start, where its page begins with another: "free@plt+4".)
        is_start = symbol is not None and (not symbol.offset or "@" in symbol.name)
        return symbol is not None and is_start and self.callees.match(symbol.name) is not None

    def _argument(
        self, frames: Sequence[StackFrame], index: int, name: str, is_callee: Callable[[int], bool], depth: int
    ) -> int | None:
        """Return a register at frame `index`'s call of what `is_callee` knows, direct or by way of functions that
        left by a jump."""
        if index >= len(frames) or depth > _MOST_STEPS:
            return None
        frame = frames[index]
        code = self.code_at(frame.program_counter - 1)
        at = _before(code, frame.program_counter)
        if at is None:
            return None

        def outer(register: str) -> int | None:
            caller = self._known(frames[index + 1], "") if index + 1 < len(frames) else {}
            if register in caller or self.process.pointer_size == 4:
                return caller.get(register)  # calls preserve it
            return self._argument(frames, index + 1, register, lambda target: target == code[0][0], depth + 1)

        place = self._place(code, at, self._known(frame, code[at][1]), outer)
        return self._passed(place, name, is_callee, depth)

    def _known(self, frame: StackFrame, text: str) -> dict[str, int]:
        """Return what registers hold at the frame's call: those that calls preserve, and before a call the stack
        pointer."""
        names = {each: each for each in _PRESERVED} if self.process.pointer_size == 8 else _PRESERVED_IN_32
        known = {ours: frame.registers[its] for ours, its in names.items() if its in frame.registers}
        return {**known, "rsp": frame.stack_pointer} if "call" in text else known

    def _passed(self, place: _Place, name: str, is_callee: Callable[[int], bool], depth: int) -> int | None:
        """Return what the register holds when the callee is reached from the place."""
        target = self._target(place)
        if target is None or not place.registers.is_sure:
            return None
        return place.register(name) if is_callee(target) else self._through(target, place, name, is_callee, depth + 1)

    def _through(
        self, start: int, came_from: _Place, name: str, is_callee: Callable[[int], bool], depth: int
    ) -> int | None:
        """Return the register at the jumps by which the function at `start` leaves for the callee, where all of them
        tell the same."""
        code = self.code_at(start)
        if depth > _MOST_STEPS or not code or code[0][0] != start:
            return None
        kept = dict(came_from.known)
        if "call" in came_from.text and "rsp" in kept:
            kept["rsp"] -= self.process.pointer_size
        found = set()
        for at, (_, text) in enumerate(code):
            match = _TRANSFER.match(text.strip())
            if match is None or match["kind"] != "jmp":
                continue
            place = self._place(code, at, kept, came_from.register)
            target = self._target(place)
            if target is None or not start <= target <= code[-1][0]:
                found.add(self._passed(place, name, is_callee, depth))
        return found.pop() if len(found) == 1 else None

    def _target(self, place: _Place) -> int | None:
        """Return where a call or jump goes, by way of an entry of a PLT too; None where that is not known."""
        match = _TRANSFER.match(place.text.strip())
        if match is None:
            return None
        direct = _DIRECT.match(match["target"])
        if direct is not None:
            return self._behind_plt(int(direct["address"], 16))
        wanted = operand_value(place.registers, match["target"])
        return None if wanted is None else place.values.of(wanted)

    def _place(self, code: CodeLines, at: int, known: Mapping[str, int], outer: Callable[[str], int | None]) -> _Place:
        registers = follow(code, at, self.process.pointer_size)
        return _Place(code[at][1], registers, known, Evaluation(registers, known, self.process.memory, outer))

    def _behind_plt(self, target: int) -> int:
        try:
            match = _PLT.match(self.process.memory.read(target, _PLT_BYTES))
            if match is None:
                return target
            displacement = int.from_bytes(match["displacement"], "little", signed=True)
            return self.process.words.read(target + match.end() + displacement)
        except MemoryFault:
            return target


def _nobody(_: str) -> None:
    return None


def _begins_with(value: Value, wanted: Value) -> bool:
    """Whether a value is another one, or that and a number."""
    return value == wanted or (value[0] == "sum" and value[1] == wanted)


def _without_inlined(frames: Sequence[StackFrame]) -> list[StackFrame]:
    """Return the frames with those left out whose code is part of the next one's."""
    return [
        frame
        for frame, outer in zip(frames, [*frames[1:], None])
        if outer is None or (frame.program_counter, frame.stack_pointer) != (outer.program_counter, outer.stack_pointer)
    ]


def _before(code: CodeLines, end: int) -> int | None:
    """Return the index of the call (or jump) that ends at the address, None where none does."""
    at = next((index for index, (place, _) in enumerate(code) if place >= end), len(code)) - 1
    is_last = at == len(code) - 1
    if at < 0 or not (is_last or code[at + 1][0] == end) or _TRANSFER.match(code[at][1].strip()) is None:
        return None
    return at
