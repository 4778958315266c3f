"""What SIGILL, SIGTRAP and the general protection faults of single instructions are about: traps, privileges,
alignment, refused operands."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.processor import branch_refused
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.memory import OffBy
from gdbheap.analysis.facts.processor import CodeOfPointerWrong
from gdbheap.analysis.facts.signals import (
    BreakpointInProgram,
    CompilerTrap,
    InstructionNotKnown,
    InstructionRefused,
    LockNotAllowed,
    Misaligned,
    NoInstruction,
    NoPageFault,
    NotForPrograms,
    OverflowTrap,
    TrapBehind,
)
from gdbheap.analysis.facts.stop import Holds, SignalCode, TheInstruction
from gdbheap.errors import MemoryFault
from gdbheap.machine.instruction import MemoryOperand
from gdbheap.machine.refusal import Refusal, TrapBytes, Why
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import OF_ACCESSES, SI_KERNEL, SIGILL, SIGSEGV, SIGTRAP

_PRIVILEGES = (Why.KERNEL_ONLY, Why.KERNEL_REGISTER, Why.INPUT_AND_OUTPUT, Why.INTERRUPT, Why.FORBIDDEN)
_OPERANDS = (Why.RESERVED_BITS, Why.SELECTOR)
_NEXT_INSTRUCTIONS = "x/4i $pc"


def instructions(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what SIGILL, SIGTRAP and the general protection faults of single instructions are about."""
    signal = crash.stop.signal
    if signal is None or signal.code <= 0:
        return
    if signal.signal == SIGILL:
        yield _illegal(crash)
    elif signal.signal == SIGTRAP:
        yield _trap(crash, signal.code)
    elif signal.signal in OF_ACCESSES and signal.code == SI_KERNEL:
        yield from _privileged(crash)
        yield from _misaligned(crash)


def refused(crash: CrashContext) -> Verdict | None:
    """Return that the processor refused an instruction for what its operands hold, where nothing else is known of a
    general protection fault."""
    signal, instruction = crash.stop.signal, crash.instruction
    if signal is None or signal.signal != SIGSEGV or signal.code != SI_KERNEL or not instruction.mnemonic:
        return None
    why = _refusal(crash)
    found = InstructionRefused(instruction.mnemonic, why.why if why is not None and why.why in _OPERANDS else None)
    operands = (Holds(each.text, each.address) for each in instruction.memory)
    evidence = (TheInstruction(instruction.text), NoPageFault(), *operands)
    counter, next_steps = crash.stop.thread.program_counter, ("info registers", _NEXT_INSTRUCTIONS)
    return Verdict(Cause.GENERAL_PROTECTION, LIKELY, counter, found, evidence, next_steps)


def _refusal(crash: CrashContext) -> Refusal | None:
    return crash.process.machine.code.refusal(crash.instruction, crash.stop.thread.registers)


def _illegal(crash: CrashContext) -> Verdict:
    counter, mnemonic, refusal = crash.stop.thread.program_counter, crash.instruction.mnemonic, _refusal(crash)
    quoted, why = TheInstruction(crash.instruction.text), None if refusal is None else refusal.why
    if refusal is not None and why is Why.BRANCH_TARGET:
        return branch_refused(crash, refusal)
    if why is Why.POINTER_CODE:
        wrong = CodeOfPointerWrong(mnemonic)
        return Verdict(Cause.POINTER_CODE, CERTAIN, counter, wrong, (quoted,), ("bt", "info registers"))
    if why is Why.COMPILER_TRAP or (not quoted.text and _is_undefined(crash, counter)):
        return Verdict(Cause.TRAP_INSTRUCTION, CERTAIN, counter, CompilerTrap(), (quoted,), ("up", "list"))
    if why is Why.KERNEL_OR_HYPERVISOR_ONLY:
        found: Fact = NotForPrograms(mnemonic, why, "")
        return Verdict(Cause.PRIVILEGED_INSTRUCTION, CERTAIN, counter, found, (quoted,), (_NEXT_INSTRUCTIONS,))
    sure, found = LIKELY, InstructionNotKnown(mnemonic)
    if why is Why.NO_INSTRUCTION:
        sure, found = CERTAIN, NoInstruction()
    elif why is Why.LOCK_PREFIX:
        sure, found = CERTAIN, LockNotAllowed(mnemonic)
    evidence, next_steps = (quoted, *crash.surroundings(counter)), ("x/8i $pc", "info symbol $pc")
    return Verdict(Cause.ILLEGAL_INSTRUCTION, sure, counter, found, evidence, next_steps)


def _is_undefined(crash: CrashContext, counter: int) -> bool:
    """Whether the bytes at the program counter are a compiler's trap, where nobody has decoded them."""
    try:
        return crash.process.machine.code.is_undefined(crash.process.memory.read(counter, 2))
    except (MemoryFault, OverflowError):
        return False


def _trap(crash: CrashContext, code: int) -> Verdict:
    counter, trap, refusal = crash.stop.thread.program_counter, _trap_before(crash), _refusal(crash)
    if crash.process.machine.trap_word is not None:
        is_compilers = refusal is not None and refusal.why is Why.COMPILER_TRAP
        found: Fact = CompilerTrap() if is_compilers else BreakpointInProgram(crash.instruction.mnemonic or "brk")
        quoted = (TheInstruction(crash.instruction.text),)
        return Verdict(Cause.TRAP_INSTRUCTION, CERTAIN, counter, found, quoted, ("up", "list"))
    fact = SignalCode(code) if trap is None or trap.is_overflow else _behind(trap)
    return Verdict(Cause.TRAP_INSTRUCTION, CERTAIN, counter, BreakpointInProgram("int3"), (fact,), ("up", "list"))


def _behind(trap: TrapBytes) -> Fact:
    return TrapBehind(tuple(trap.code), trap.name)


def _trap_before(crash: CrashContext) -> TrapBytes | None:
    try:
        before = crash.process.memory.read(crash.stop.thread.program_counter - 2, 2)
    except (MemoryFault, OverflowError):
        return None
    return crash.process.machine.code.trap_before(before)


def _privileged(crash: CrashContext) -> Iterator[Verdict]:
    counter, refusal = crash.stop.thread.program_counter, _refusal(crash)
    if refusal is not None and refusal.why in _PRIVILEGES:
        found = NotForPrograms(crash.instruction.mnemonic, refusal.why, refusal.detail)
        quoted = (TheInstruction(crash.instruction.text),)
        yield Verdict(Cause.PRIVILEGED_INSTRUCTION, CERTAIN, counter, found, quoted, (_NEXT_INSTRUCTIONS,))
        return
    trap = _trap_before(crash)
    if trap is not None and trap.is_overflow:
        yield Verdict(Cause.TRAP_INSTRUCTION, LIKELY, counter, OverflowTrap(), (_behind(trap),), ("up", "list"))


def _misaligned(crash: CrashContext) -> Iterator[Verdict]:
    instruction, alignment = crash.instruction, crash.instruction.alignment
    access = next(iter(instruction.memory), None)
    if not alignment or access is None or not crash.is_canonical(access.address) or not access.address % alignment:
        return
    on_stack = abs(access.address - crash.stop.thread.stack_pointer) < 1 << 16
    found = Misaligned(instruction.mnemonic, alignment, on_stack and _names_stack(crash, access), on_stack)
    evidence = (OffBy(access.text, access.address, access.address % alignment, alignment),)
    yield Verdict(Cause.MISALIGNED_SSE, CERTAIN, access.address, found, evidence, ("info registers", "up"))


def _names_stack(crash: CrashContext, access: MemoryOperand) -> bool:
    """Compilers count on the stack's alignment where they name its registers; other registers hold what the program
    made of them."""
    machine = crash.process.machine
    return access.base in (machine.stack_pointer, machine.frame_pointer)
