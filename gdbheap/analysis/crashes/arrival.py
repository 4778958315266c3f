"""How the program counter got where it is: by a call, by a return, or step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.facts.control import (
    ByCall,
    ByJumpOrReturn,
    ByReturn,
    ByRunningOn,
    ByTailCall,
    CallLeadsElsewhere,
    ExecutableBefore,
    NotKnownHow,
    PoppedFrom,
    ReturnRegisterHolds,
    ReturnsTo,
    TargetReadFrom,
    TheCall,
)
from gdbheap.analysis.facts.places import AtSymbol, IntoChunk, OnStack, in_mapping
from gdbheap.analysis.facts.stop import StackPointerIs
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.lazy import dataclass
from gdbheap.machine.instruction import CALL, Instruction
from gdbheap.process.fact import Fact
from gdbheap.process.return_address import return_address

_NEAR_STACK = 1 << 18


@dataclass(frozen=True)
class Arrival:
    """`how` the program came there, what speaks for it, and what to type next. `by_return`: by a return to an address
    that was overwritten, of which `value` is all (None: it is the program counter); `ran_on`: step by step."""

    how: Fact
    evidence: tuple[Fact, ...]
    next: tuple[str, ...]
    by_return: bool = False
    value: int | None = None
    ran_on: bool = False


def ran_on(crash: CrashContext, counter: int) -> Arrival | None:
    """Return that the program came here step by step, where the last instruction in front of the address can be
    executed; None where it has jumped: what called leads here."""
    if counter % crash.page_size:
        return None
    before = crash.vma(counter - 1)
    if before is None or not before.executable or _calls(crash, counter):
        return None
    if counter == crash.stop.thread.program_counter and _by_return(crash) is not None:
        return None
    fact = ExecutableBefore(in_mapping(before))
    return Arrival(ByRunningOn(), (fact,), (f"x/8i {counter - 16:#x}", "bt"), ran_on=True)


def came_by(crash: CrashContext) -> Arrival:
    """Tell a call from a return: a call leaves its return address (at the stack pointer, or in a register), a return
    the address that it took (just below the stack pointer, or in that register)."""
    counter, pointer = crash.stop.thread.program_counter, crash.stop.thread.stack_pointer
    returned = _by_return(crash)
    call = the_call(crash, crash.stop.thread.registers)
    if call.flow == CALL and (
        returned is None or _calls(crash, counter) or (counter < NULL_ZONE and call.destination is not None)
    ):
        return _called(crash, call)
    if returned is not None and call.flow == CALL:
        # The return address of a call is at the stack pointer: a function that left by a jump leaves it there, and
        # what it jumped to may have been its own variable, just below.
        evidence = (*_return_address(crash), returned)
        # (NULL stands in too many places to speak for a return.)
        is_likely = counter >= NULL_ZONE
        return Arrival(ByJumpOrReturn(), evidence, ("up", f"x/16gx {pointer - 64:#x}"), by_return=is_likely)
    if returned is not None:
        value = crash.stop.thread.registers.get(crash.process.machine.return_register)
        return Arrival(ByReturn(), (returned,), (f"x/16gx {pointer - 64:#x}",), by_return=True, value=value)
    return Arrival(NotKnownHow(), (StackPointerIs(pointer),), ("bt",))


def _by_return(crash: CrashContext) -> Fact | None:
    """Return what a return to the program counter has left, None where nothing speaks for one."""
    thread, register = crash.stop.thread, crash.process.machine.return_register
    if register:
        value = thread.registers.get(register)
        if value is None or not crash.process.machine.is_same_but_for_tag(value, thread.program_counter):
            return None
        return ReturnRegisterHolds(register, value)
    below = thread.stack_pointer - crash.pointer_size
    return PoppedFrom(below) if crash.word_at(below) == thread.program_counter else None


def _called(crash: CrashContext, call: Instruction) -> Arrival:
    counter = crash.stop.thread.program_counter
    evidence = [*_return_address(crash)]
    callee = call.destination
    if callee is not None and callee != counter:
        how = ByTailCall(callee, crash.symbol_at(callee))
        return Arrival(how, (*evidence, CallLeadsElsewhere()), (f"x/16i {callee:#x}", "up"))
    evidence += [*_slot(crash, counter), *crash.expressions(counter, counter)]
    return Arrival(ByCall(), tuple(evidence), ("up", "info locals"))


def _return_address(crash: CrashContext) -> tuple[Fact, ...]:
    """Return where the last call would return to, and that call."""
    pushed = return_address(crash.process, crash.stop.thread)
    where = crash.symbol_at(pushed - 1) if pushed else None
    told = ReturnsTo(pushed, where, crash.process.machine.return_register)
    return told, TheCall(crash.stop.caller_instruction)


def the_call(crash: CrashContext, registers: Mapping[str, int]) -> Instruction:
    """Return the call before the address at the stack pointer, with what the registers hold."""
    return crash.process.machine.code.decode(crash.stop.caller_instruction, registers)


def _calls(crash: CrashContext, counter: int) -> bool:
    """Whether the call before the address at the stack pointer leads to the program counter, by what the registers
    hold now."""
    call = the_call(crash, crash.stop.thread.registers)
    if call.target is not None:
        return crash.word_at(call.target.address) == counter
    return counter in (crash.stop.thread.registers.get(call.target_register), call.destination)


def _slot(crash: CrashContext, counter: int) -> Iterator[Fact]:
    """Yield which word of memory the call took its target from, where it took it from memory: the registers are
    still the caller's, and the source may name it."""
    machine = crash.process.machine
    registers = dict(crash.stop.thread.registers)
    if not machine.return_register:
        registers[machine.stack_pointer] = registers.get(machine.stack_pointer, 0) + crash.pointer_size
    target = the_call(crash, registers).target
    named = (each.place for each in crash.stop.expressions if each.value == counter and each.place is not None)
    slot = target.address if target is not None else next(named, None)
    if slot is None or crash.word_at(slot) != counter:
        return
    chunk, symbol = crash.chunk(slot), crash.symbol_at(slot)
    place: Fact | None = AtSymbol(symbol) if symbol else OnStack() if is_on_stack(crash, slot) else None
    if chunk is not None and crash.heap is not None:
        place = IntoChunk(slot - chunk.address - crash.heap.layout.header, crash.in_chunk(chunk))
    yield TargetReadFrom(slot, place)


def is_on_stack(crash: CrashContext, address: int) -> bool:
    """Whether the address is on the stack of the thread that died."""
    vma = crash.vma(address)
    near = abs(address - crash.stop.thread.stack_pointer) < _NEAR_STACK
    return vma is not None and vma.writable and (vma.path == "[stack]" or near)
