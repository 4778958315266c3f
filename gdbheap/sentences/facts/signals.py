"""What a signal was about that no access to memory brought."""

from __future__ import annotations

from gdbheap.analysis.facts.signals import (
    AlternateOverflowed,
    BreakpointInProgram,
    CompilerTrap,
    Divided,
    DivisorIs,
    FloatingPointFailed,
    InHandler,
    InstructionNotKnown,
    InstructionRefused,
    LockNotAllowed,
    Misaligned,
    MoreHandlers,
    MutexTaken,
    NoInstruction,
    NoPageFault,
    NotExplained,
    NotForPrograms,
    OverflowTrap,
    ReportsLate,
    SenderIs,
    SenderNotAsked,
    SentFrom,
    SignalCameAt,
    SignalSent,
    SystemCallForbidden,
    SystemCallIs,
    TrapBehind,
)
from gdbheap.machine.refusal import Why
from gdbheap.sentences.facts.phrases import Phrases, Template

_REFUSED = {
    None: "what it was given is not allowed (a reserved bit, an index, a selector)",
    Why.RESERVED_BITS: "what it loads has bits set that must be zero",
    Why.SELECTOR: "a segment selector is not valid",
}
_PRIVILEGES = {
    Why.KERNEL_ONLY: "only the kernel may execute {mnemonic}",
    Why.KERNEL_OR_HYPERVISOR_ONLY: "only the kernel or a hypervisor may execute {mnemonic}",
    Why.KERNEL_REGISTER: "control and debug registers belong to the kernel",
    Why.INPUT_AND_OUTPUT: "{mnemonic} needs the right to input and output (ioperm), which the program does not have",
    Why.INTERRUPT: "no program may raise interrupt {detail}",
    Why.FORBIDDEN: "{mnemonic} has been forbidden to the program ({detail})",
}
_FLOATING = {
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
_SOMEBODY = "the kernel or a process outside this one's pid namespace"


def _privileged(fact: NotForPrograms) -> str:
    return _PRIVILEGES[fact.why].format(mnemonic=fact.mnemonic, detail=fact.detail)


def _trap(fact: TrapBehind) -> str:
    if len(fact.code) > 1:
        code = " ".join(f"{each:#04x}" for each in fact.code)
        return f"the bytes before the program counter are {code}" + (f" ({fact.name})" if "4" not in fact.name else "")
    beside = f" ({fact.name})" if fact.name != "int3" else ", and not gdb's"
    return f"the byte before the program counter is {fact.code[0]:#04x}{beside}"


def _misaligned(fact: Misaligned) -> str:
    why = "the data is not aligned" + (" (it is on the stack)" if fact.on_stack else "")
    if fact.stack_misaligned:
        why = "the stack is not aligned to 16 bytes: a call from assembly, or a wrong calling convention"
    return f"{fact.mnemonic} needs an address that is a multiple of {fact.alignment}; {why}"


def _divided(fact: Divided) -> str:
    if fact.divisor == 0:
        return "an integer was divided by zero"
    if fact.divisor == -1:
        return "the smallest integer was divided by -1: the quotient does not fit"
    if fact.divisor is None:
        return "an integer division by zero, or a quotient that does not fit"
    return "an integer division whose quotient does not fit"


def _floating_point(fact: FloatingPointFailed) -> str:
    what = _FLOATING.get(fact.code, f"si_code {fact.code}")
    return f"{what}, with its exception unmasked (feenableexcept, or a compiler's -ffpe-trap)"


def _system_call(fact: SystemCallForbidden) -> str:
    name = f" ({fact.name})" if fact.name else ""
    return (
        f"a seccomp filter forbids {'the system call' if fact.number is None else f'system call {fact.number}{name}'}"
    )


def _sent(fact: SignalSent) -> str:
    name = fact.signal or "a signal"
    if fact.handled_by is not None:
        return _handled(fact, name)
    how = _SENT.get(fact.code or 0, f"si_code {fact.code}")
    if fact.by_itself:
        return f"the program sent itself {name} (by {how}): no instruction caused it"
    who = f"process {fact.sender}" if fact.sender else _SOMEBODY
    return f"{who} sent {name} (by {how}): nothing in this program caused it"


_OWN = {False: "this process is {own}", True: "the process's own id is not known"}


def _handled(fact: SignalSent, name: str) -> str:
    aborted = f"{fact.handled_by or 'its handler'} called abort()"
    if fact.by_itself:
        return f"the program sent itself {name}, and {aborted}"
    if fact.sender is None:
        return f"{name} came, probably from outside, and {aborted}"
    who = f"process {fact.sender}" if fact.sender else _SOMEBODY
    return f"{who} sent {name}, and {aborted}: the program did not abort by itself"


def _came(fact: SignalCameAt) -> str:
    function = f", in {fact.function}" if fact.function else ""
    return f"frame {fact.frame} is where {fact.signal or 'a signal'} came{function}"


def _from(fact: SentFrom) -> str:
    return "it was sent from the program itself" if fact.frame is None else f"it was sent from {fact.frame.words}"


def _in_handler(fact: InHandler) -> str:
    function = f", {fact.handler}" if fact.handler else ""
    on = "" if fact.alternate is None else f", on the alternate stack {fact.alternate[0]:#x}-{fact.alternate[1]:#x}"
    interrupted = f": it interrupted {fact.interrupted}" if fact.interrupted else ""
    return f"this happened in a handler of {fact.signal or 'a signal'}{function}{on}{interrupted} (frame {fact.frame})"


PHRASES: Phrases = {
    InstructionRefused: lambda fact: (
        f"the processor refused {fact.mnemonic} (a general protection fault): {_REFUSED[fact.why]}"
    ),
    NoPageFault: "si_code is SI_KERNEL and si_addr 0: it was not a page fault",
    CompilerTrap: (
        "the program ran into a trap that the compiler put there (__builtin_trap, unreachable code, or a sanitizer's "
        "check)"
    ),
    NotForPrograms: _privileged,
    NoInstruction: "this is not an instruction: the program went astray, or its code was overwritten",
    LockNotAllowed: "{mnemonic} allows no lock prefix: this was hardly meant as code",
    InstructionNotKnown: lambda fact: (
        f"this processor does not support {fact.mnemonic or 'the instruction (which is not decoded here)'}: the code "
        "was built for another one, or this is not code"
    ),
    BreakpointInProgram: "the program itself contains a breakpoint instruction ({instruction})",
    OverflowTrap: "the program raised the overflow trap (int $4)",
    TrapBehind: _trap,
    Misaligned: _misaligned,
    Divided: _divided,
    DivisorIs: "the divisor is {divisor}",
    FloatingPointFailed: _floating_point,
    ReportsLate: "the x87 unit reports at its next instruction: the one that failed is its last before this",
    SystemCallForbidden: _system_call,
    SystemCallIs: "si_syscall is {number}",
    SignalSent: _sent,
    SenderIs: Template(
        lambda fact: "si_code is {code}, si_pid {sender}, " + _OWN[fact.own is None],
    ),
    SignalCameAt: _came,
    SentFrom: _from,
    SenderNotAsked: "who sent it is not known: the handler did not ask (SA_SIGINFO)",
    NotExplained: lambda fact: f"{fact.signal or 'the signal'}, for a reason that gdbheap does not know",
    InHandler: _in_handler,
    MoreHandlers: "and so on: at least {count:,} more handlers further out interrupted each other",
    AlternateOverflowed: (
        "the stack pointer {stack_pointer} is {distance:#x} bytes below the alternate stack: it has overflowed"
    ),
    MutexTaken: "{mutex}; the arena may be between two states",
}
