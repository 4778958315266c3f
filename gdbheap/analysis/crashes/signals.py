"""What the other signals tell: arithmetic, system calls, addresses that cannot be, and signals that were sent."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.pointers import by_operand
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.process.signal_info import OF_ACCESSES, SI_KERNEL, SIGABRT, SIGFPE, SIGSYS

FPE_INTDIV = 1
_FPE = {
    2: "integer overflow",
    3: "floating-point division by zero",
    4: "floating-point overflow",
    5: "floating-point underflow",
    6: "an inexact floating-point result",
    7: "an invalid floating-point operation",
    8: "a subscript out of range",
}
_SENT = {
    0: "kill",
    -1: "sigqueue",
    -2: "a timer",
    -3: "a message queue",
    -4: "asynchronous input or output",
    -6: "tgkill or raise",
}


def arithmetic(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what a SIGFPE is about."""
    signal = crash.stop.signal
    if signal is None or signal.signal != SIGFPE or signal.code <= 0:
        return
    counter = crash.stop.thread.program_counter
    if signal.code != FPE_INTDIV:
        yield _floating_point(crash, counter, signal.code)
        return
    machine = crash.process.machine
    divisor = machine.code.divisor(crash.instruction, crash.stop.thread.registers, crash.word_at)
    evidence = [f"the instruction is `{crash.instruction.text}`"]
    if divisor is not None:
        evidence.append(f"the divisor is {divisor}")
    if divisor == 0:
        summary = "an integer was divided by zero"
    elif divisor == -1:
        summary = "the smallest integer was divided by -1: the quotient does not fit"
    else:
        summary = (
            "an integer division whose quotient does not fit"
            if divisor is not None
            else "an integer division by zero, or a quotient that does not fit"
        )
    yield Verdict("integer_divide", CERTAIN, counter, summary, tuple(evidence), ("up", "info locals"))


def _floating_point(crash: CrashContext, counter: int, code: int) -> Verdict:
    what = _FPE.get(code, f"si_code {code}")
    found = crash.process.machine.code.floating_point(crash.instruction)
    evidence = [f"the instruction is `{crash.instruction.text}`", *([found.fact] if found.fact else [])]
    summary = f"{what}, with its exception unmasked (feenableexcept, or a compiler's -ffpe-trap)"
    return Verdict("fp_exception", CERTAIN, counter, summary, tuple(evidence), found.next)


def system_calls(crash: CrashContext) -> Iterator[Verdict]:
    """Yield which system call a filter refused."""
    signal = crash.stop.signal
    if signal is None or signal.signal != SIGSYS or signal.code <= 0:
        return
    number = signal.system_call
    name = f", {crash.stop.system_call}" if crash.stop.system_call else ""
    summary = f"a filter (seccomp) forbids the system call{f' {number}{name}' if number is not None else ''}"
    evidence = (f"si_syscall is {number}",) if number is not None else ()
    counter = crash.stop.thread.program_counter
    yield Verdict("bad_syscall", CERTAIN, counter, summary, evidence, ("bt", "info registers"))


def others(crash: CrashContext) -> Iterator[Verdict]:
    """Yield who sent a signal that no instruction caused."""
    signal = crash.stop.signal
    if signal is None or signal.code > 0:
        return
    own = crash.stop.own_pid
    how = _SENT.get(signal.code, f"si_code {signal.code}")
    if signal.sender is not None and signal.sender == own:
        if signal.signal == SIGABRT:
            return
        summary = f"the program sent itself {crash.stop.signal_name} (by {how}): no instruction caused it"
    else:
        who = (
            f"process {signal.sender}" if signal.sender else "the kernel or a process outside this one's pid namespace"
        )
        summary = f"{who} sent {crash.stop.signal_name} (by {how}): nothing in this program caused it"
    evidence = (f"si_code is {signal.code}, si_pid {signal.sender}, this process is {own}",)
    sure = CERTAIN if signal.sender is not None else LIKELY
    yield Verdict("external_signal", sure, None, summary, evidence, ("bt",))


def non_canonical(crash: CrashContext) -> Iterator[Verdict]:
    """Yield the operands of a general protection fault that have no possible address (si_addr is 0 then, and says
    nothing)."""
    signal = crash.stop.signal
    if signal is None or signal.signal not in OF_ACCESSES or signal.code != SI_KERNEL:
        return
    if crash.instruction.mnemonic.startswith(("call", "jmp")) and not crash.instruction.memory:
        return
    for access in crash.instruction.memory:
        if not crash.is_canonical(access.address):
            yield from by_operand(crash, access)
            return
