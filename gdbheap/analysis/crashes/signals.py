"""What the other signals tell: arithmetic, system calls, addresses that cannot be, and signals that were sent."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.pointers import by_operand
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.signals import (
    Divided,
    DivisorIs,
    FloatingPointFailed,
    ReportsLate,
    SenderIs,
    SignalSent,
    SystemCallForbidden,
    SystemCallIs,
)
from gdbheap.analysis.facts.stop import TheInstruction
from gdbheap.machine.instruction import CALL, JUMP
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import FPE_INTDIV, OF_ACCESSES, SI_KERNEL, SI_TKILL, SIGABRT, SIGFPE, SIGSYS


def arithmetic(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what a SIGFPE is about."""
    signal = crash.stop.signal
    if signal is None or signal.signal != SIGFPE or signal.code <= 0:
        return
    counter, code = crash.stop.thread.program_counter, crash.process.machine.code
    instruction = TheInstruction(crash.instruction.text)
    if signal.code == FPE_INTDIV:
        divisor = code.divisor(crash.instruction, crash.stop.thread.registers, crash.word_at)
        evidence: tuple[Fact, ...] = (instruction, *(() if divisor is None else (DivisorIs(divisor),)))
        next_steps: tuple[str, ...] = ("up", "info locals")
        yield Verdict(Cause.INTEGER_DIVIDE, CERTAIN, counter, Divided(divisor), evidence, next_steps)
        return
    unit = code.floating_point(crash.instruction)
    evidence = (instruction, *((ReportsLate(),) if unit.reports_late else ()))
    yield Verdict(Cause.FP_EXCEPTION, CERTAIN, counter, FloatingPointFailed(signal.code), evidence, unit.next)


def system_calls(crash: CrashContext) -> Iterator[Verdict]:
    """Yield which system call a filter refused."""
    signal = crash.stop.signal
    if signal is None or signal.signal != SIGSYS or signal.code <= 0:
        return
    number, counter = signal.system_call, crash.stop.thread.program_counter
    found = SystemCallForbidden(number, crash.stop.system_call)
    evidence = () if number is None else (SystemCallIs(number),)
    yield Verdict(Cause.BAD_SYSCALL, CERTAIN, counter, found, evidence, ("bt", "info registers"))


def others(crash: CrashContext) -> Iterator[Verdict]:
    """Yield who sent a signal that no instruction caused."""
    signal = crash.stop.signal
    if signal is None or signal.code > 0:
        return
    own = crash.stop.own_pid
    # Where nobody knows its own id: raise() and abort() send by tgkill, other processes hardly ever.
    by_itself = signal.sender is not None and (signal.sender == own if own is not None else signal.code == SI_TKILL)
    if by_itself and signal.signal == SIGABRT:
        return
    found = SignalSent(crash.stop.signal_name, signal.sender, by_itself, signal.code)
    sure = LIKELY if None in (signal.sender, own) else CERTAIN
    yield Verdict(Cause.EXTERNAL_SIGNAL, sure, None, found, (SenderIs(signal.code, signal.sender, own),), ("bt",))


def non_canonical(crash: CrashContext) -> Iterator[Verdict]:
    """Yield the operands of a general protection fault that have no possible address (si_addr is 0 then, and says
    nothing)."""
    signal = crash.stop.signal
    if signal is None or signal.signal not in OF_ACCESSES or signal.code != SI_KERNEL:
        return
    if crash.instruction.flow in (CALL, JUMP) and not crash.instruction.memory:
        return
    for access in crash.instruction.memory:
        if not crash.is_canonical(access.address):
            yield from by_operand(crash, access)
            return
