"""The first argument of a call that has not returned: compilers keep it nowhere, but the code before the call still
tells how it was made.

A function may have left by a jump (a tail call): then the code before the call is that of its caller, and its own is
followed from its start on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.machine.call_form import CallForm, CallResult, Transfer
from gdbheap.machine.register_values import ENTRY, Evaluation, Registers, Value
from gdbheap.machine.stopped import CodeLines, StackFrame, StoppedProcess, SymbolPlace

# So many functions that left by a jump, and callers from which an argument was handed on, are followed.
_MOST_STEPS = 4


@dataclass(frozen=True)
class _Place:
    """A call or jump in a function's code, and what the registers hold there."""

    transfer: Transfer
    registers: Registers
    known: Mapping[str, int]
    values: Evaluation


@dataclass(frozen=True)
class CodeCallReader:
    """Reads calls. `code_at` gives the instructions of the function that an address lies in, () where its bounds are
    not known; `symbol_at` the symbol that an address is in. `callees` are the names of the functions whose calls are
    read."""

    form: CallForm
    process: StoppedProcess
    code_at: Callable[[int], CodeLines]
    symbol_at: Callable[[int], SymbolPlace | None]
    callees: re.Pattern[str]

    def first_argument(self, frames: Sequence[StackFrame], index: int) -> int | None:
        """Return what frame `index`, which has called one of the callees, passed to it; None where no code tells for
        sure."""
        inner, first = _without_inlined(frames[:index]), self.form.arguments[0]
        is_entered = bool(inner) and self.callees.match(inner[-1].function) is not None
        received = self._received(inner, first) if is_entered and self.form.in_registers else None
        if received is not None:
            return received
        made = self._argument(frames, index, first, self._is_callee, 0)
        if made:
            return made
        # What was passed is not NULL: no callee would have come to what it died of.
        return self._at_top_of_stack(frames[index]) if is_entered and not self.form.in_registers else None

    def passed_result(self, frames: Sequence[StackFrame], index: int) -> CallResult | None:
        """Return which call's result frame `index` handed on to one of the callees; None where it is none, or the
        callee was reached by way of another function."""
        frame = frames[index]
        code = self._code(frame)
        at = self._before(code, frame.program_counter)
        if at is None or not self.form.in_registers:
            return None
        known = self._known(frame, at[1].is_call)
        place = self._place(code, at, known, _nobody)
        target = self._target(place)
        value = self.form.argument(place.registers, self.form.arguments[0], at[1].is_call)
        if target is None or value is None or not place.registers.is_sure or not self._is_callee(target):
            return None
        found = place.values.beyond_result(value)
        made = None if found is None else self._before(code, self._behind(code, found[0][1]))
        if found is None or made is None:
            return None
        call = self._place(code, made, {}, _nobody)
        symbol = self.symbol_at(self._target(call) or 0)
        # Values are what they were: what is known of them at the later place holds at this one.
        values = (self.form.argument(call.registers, each, True) for each in self.form.arguments[:3])
        arguments = tuple(None if each is None else place.values.of(each) for each in values)
        return CallResult(symbol.name if symbol is not None else "", code[made[0]][0], arguments, found[1])

    def calls_another(self, frame: StackFrame) -> bool:
        """Whether the frame's call goes to a function that is none of the callees, by its bytes alone or by what it
        went through."""
        target = self.form.direct_call(self.process, frame.program_counter)
        found = self._went_to(frame) if target is None else self.form.behind_stub(self.process, target)
        symbol = None if found is None else self.symbol_at(found)
        return symbol is not None and self.callees.match(symbol.name) is None

    def _went_to(self, frame: StackFrame) -> int | None:
        """Return where the frame's indirect call went, None where its code does not tell."""
        code = self._code(frame)
        at = self._before(code, frame.program_counter)
        if at is None or not at[1].is_call:
            return None
        place = self._place(code, at, self._known(frame, True), _nobody)
        return self._target(place) if place.registers.is_sure else None

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
        code = self._code(frame)
        at = self._before(code, frame.program_counter)
        if at is None:
            return None
        registers, transfer = self.form.follow(code, at[0]), at[1]
        known = self._known(frame, transfer.is_call)
        wanted = ("unknown", ENTRY, name)
        found = self._evaluation(registers, known, _nobody).of(wanted)
        handed_on = [each for each in self.form.arguments if _begins_with(registers[each], wanted)]
        for each in handed_on if found is None and registers.is_sure and len(frames) > 1 else ():
            held = self._received(frames[:-1], each)
            if held is not None and self._calls(transfer, frames[-2]):
                return self._evaluation(registers, {each: held}, _nobody).of(wanted)
        return found if registers.is_sure else None

    def _calls(self, transfer: Transfer, frame: StackFrame) -> bool:
        """Whether the call goes straight to the function that the frame is in."""
        code = self._code(frame)
        return transfer.destination is not None and bool(code) and code[0][0] == transfer.destination

    def _code(self, frame: StackFrame) -> CodeLines:
        """Return the code of the function that the frame has called from. (Where unwinding went wrong, it is at 0.)"""
        return self.code_at(frame.program_counter - 1) if frame.program_counter else ()

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
        code = self._code(frame)
        at = self._before(code, frame.program_counter)
        if at is None:
            return None

        def outer(register: str) -> int | None:
            caller = self._known(frames[index + 1], False) if index + 1 < len(frames) else {}
            if register in caller or not self.form.in_registers:
                return caller.get(register)  # calls preserve it
            return self._argument(frames, index + 1, register, lambda target: target == code[0][0], depth + 1)

        place = self._place(code, at, self._known(frame, at[1].is_call), outer)
        return self._passed(place, name, is_callee, depth)

    def _known(self, frame: StackFrame, at_call: bool) -> dict[str, int]:
        """Return what registers hold at the frame's call: those that calls preserve, and before a call the stack
        pointer."""
        known = {ours: frame.registers[its] for ours, its in self.form.kept.items() if its in frame.registers}
        return {**known, self.form.stack_pointer: frame.stack_pointer} if at_call else known

    def _passed(self, place: _Place, name: str, is_callee: Callable[[int], bool], depth: int) -> int | None:
        """Return what the register holds when the callee is reached from the place."""
        target = self._target(place)
        if target is None or not place.registers.is_sure:
            return None
        return (
            self._held(place, name) if is_callee(target) else self._through(target, place, name, is_callee, depth + 1)
        )

    def _held(self, place: _Place, name: str) -> int | None:
        value = self.form.argument(place.registers, name, place.transfer.is_call)
        return None if value is None else place.values.of(value)

    def _through(
        self, start: int, came_from: _Place, name: str, is_callee: Callable[[int], bool], depth: int
    ) -> int | None:
        """Return the register at the jumps by which the function at `start` leaves for the callee, where all of them
        tell the same."""
        code = self.code_at(start)
        if depth > _MOST_STEPS or not code or code[0][0] != start:
            return None
        kept = dict(came_from.known)
        if came_from.transfer.is_call and self.form.stack_pointer in kept:
            kept[self.form.stack_pointer] -= self.form.pushed
        found = set()
        for index, (_, text) in enumerate(code):
            transfer = self.form.transfer(text)
            if transfer is None or transfer.is_call:
                continue
            place = self._place(code, (index, transfer), kept, lambda register: self._held(came_from, register))
            target = self._target(place)
            if target is None or not start <= target <= code[-1][0]:
                found.add(self._passed(place, name, is_callee, depth))
        return found.pop() if len(found) == 1 else None

    def _target(self, place: _Place) -> int | None:
        """Return where a call or jump goes, by way of an entry of a PLT too; None where that is not known."""
        if place.transfer.destination is not None:
            return self.form.behind_stub(self.process, place.transfer.destination)
        wanted = self.form.target(place.registers, place.transfer.target)
        return None if wanted is None else place.values.of(wanted)

    def _place(
        self,
        code: CodeLines,
        at: tuple[int, Transfer],
        known: Mapping[str, int],
        outer: Callable[[str], int | None],
    ) -> _Place:
        registers = self.form.follow(code, at[0])
        return _Place(at[1], registers, known, self._evaluation(registers, known, outer))

    def _evaluation(
        self, registers: Registers, known: Mapping[str, int], outer: Callable[[str], int | None]
    ) -> Evaluation:
        return Evaluation(registers, known, self.process.memory, outer, self.form.stack_pointer)

    def _behind(self, code: CodeLines, place: object) -> int:
        """Return the address of the instruction behind the one at the place."""
        return next((behind for (address, _), (behind, _) in zip(code, code[1:]) if address == place), 0)

    def _before(self, code: CodeLines, end: int) -> tuple[int, Transfer] | None:
        """Return the index of the call (or jump) that ends at the address, and it; None where none does."""
        at = next((index for index, (place, _) in enumerate(code) if place >= end), len(code)) - 1
        is_last = at == len(code) - 1
        if at < 0 or not (is_last or code[at + 1][0] == end):
            return None
        transfer = self.form.transfer(code[at][1])
        return None if transfer is None else (at, transfer)


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
