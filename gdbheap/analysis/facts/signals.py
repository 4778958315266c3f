"""What a signal was about that no access to memory brought: an instruction that was refused, arithmetic, a system call,
a sender."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.machine.refusal import Why
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.frame import Frame


@dataclass(frozen=True)
class InstructionRefused(Fact):
    """The processor refused the instruction, for what it was given; `why` is RESERVED_BITS or SELECTOR where that is
    known."""

    kind = "instruction_refused"
    mnemonic: str
    why: Why | None


@dataclass(frozen=True)
class NoPageFault(Fact):
    """si_code is SI_KERNEL and si_addr 0."""

    kind = "no_page_fault"


@dataclass(frozen=True)
class CompilerTrap(Fact):
    """A trap that the compiler put there."""

    kind = "compiler_trap"


@dataclass(frozen=True)
class NotForPrograms(Fact):
    """Programs may not execute the instruction; `detail` is the interrupt, or what has forbidden it."""

    kind = "not_for_programs"
    mnemonic: str
    why: Why
    detail: str


@dataclass(frozen=True)
class NoInstruction(Fact):
    """What is run is no instruction."""

    kind = "no_instruction"


@dataclass(frozen=True)
class LockNotAllowed(Fact):
    """The instruction allows no lock prefix."""

    kind = "lock_not_allowed"
    mnemonic: str


@dataclass(frozen=True)
class InstructionNotKnown(Fact):
    """This processor does not know the instruction."""

    kind = "instruction_not_known"
    mnemonic: str


@dataclass(frozen=True)
class BreakpointInProgram(Fact):
    """The program itself holds a breakpoint instruction."""

    kind = "breakpoint_in_program"
    instruction: str


@dataclass(frozen=True)
class OverflowTrap(Fact):
    """The program raised the overflow trap."""

    kind = "overflow_trap"


@dataclass(frozen=True)
class TrapBehind(Fact):
    """The bytes right before the program counter are a trap."""

    kind = "trap_bytes"
    code: tuple[Hex, ...]
    name: str


@dataclass(frozen=True)
class Misaligned(Fact):
    """The instruction needs an address that is a multiple of `alignment`. `stack_misaligned`: the stack itself is
    not aligned; `on_stack`: the data is on the stack."""

    kind = "misaligned"
    mnemonic: str
    alignment: int
    stack_misaligned: bool
    on_stack: bool


@dataclass(frozen=True)
class Divided(Fact):
    """A division of integers whose quotient does not fit; by `divisor` (None: not known)."""

    kind = "divided"
    divisor: int | None


@dataclass(frozen=True)
class DivisorIs(Fact):
    """The divisor."""

    kind = "divisor"
    divisor: int


@dataclass(frozen=True)
class FloatingPointFailed(Fact):
    """A floating-point exception, by its si_code."""

    kind = "floating_point_failed"
    code: int


@dataclass(frozen=True)
class ReportsLate(Fact):
    """The x87 unit reports at its next instruction."""

    kind = "reports_late"


@dataclass(frozen=True)
class SystemCallForbidden(Fact):
    """A filter (seccomp) forbids the system call."""

    kind = "system_call_forbidden"
    number: int | None
    name: str


@dataclass(frozen=True)
class SystemCallIs(Fact):
    """si_syscall."""

    kind = "si_syscall"
    number: int


@dataclass(frozen=True)
class SignalSent(Fact):
    """A signal was sent: by process `sender` (0: the kernel or a process of another pid namespace; None: not known),
    or by the program itself (`by_itself`), as si_code says. `handled_by` is the handler that then called abort()
    (None: none did, "": its name is not known)."""

    kind = "signal_sent"
    signal: str
    sender: int | None
    by_itself: bool
    code: int | None
    handled_by: str | None = None


@dataclass(frozen=True)
class SenderIs(Fact):
    """What siginfo says of the sender, and the process's own id."""

    kind = "sender"
    code: int
    sender: int | None
    own: int | None


@dataclass(frozen=True)
class SignalCameAt(Fact):
    """The frame at which a signal came, in `function` ("" not known)."""

    kind = "signal_came_at"
    frame: int
    signal: str
    function: str


@dataclass(frozen=True)
class SentFrom(Fact):
    """The frame that sent the signal (None: some frame of the program's)."""

    kind = "sent_from"
    frame: Frame | None


@dataclass(frozen=True)
class SenderNotAsked(Fact):
    """The handler has not asked who sent the signal."""

    kind = "sender_not_asked"


@dataclass(frozen=True)
class NotExplained(Fact):
    """Nothing that gdbheap knows explains the signal ("": its name is not known)."""

    kind = "not_explained"
    signal: str


@dataclass(frozen=True)
class InHandler(Fact):
    """It happened in a signal handler (frame `frame`): which signal it handles ("" not known), its name, the alternate
    stack that it runs on (None: on none), what it interrupted."""

    kind = "in_handler"
    signal: str
    handler: str
    alternate: tuple[Hex, ...] | None
    interrupted: str
    frame: int


@dataclass(frozen=True)
class MoreHandlers(Fact):
    """At least so many more handlers further out interrupted each other."""

    kind = "more_handlers"
    count: int


@dataclass(frozen=True)
class AlternateOverflowed(Fact):
    """The stack pointer is below the alternate stack."""

    kind = "alternate_overflowed"
    stack_pointer: Hex
    distance: int


@dataclass(frozen=True)
class MutexTaken(Fact):
    """An arena's mutex is taken (an ArenaMutex): the arena may be between two states."""

    kind = "mutex_taken"
    mutex: Fact
