"""What the stop itself tells: the instruction, the kernel's word on the signal, registers, the source, the frames."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.frame import Frame


@dataclass(frozen=True)
class TheInstruction(Fact):
    """The instruction that died, as gdb writes it."""

    kind = "instruction"
    text: str


@dataclass(frozen=True)
class SignalCode(Fact):
    """si_code."""

    kind = "si_code"
    code: int


@dataclass(frozen=True)
class SignalAddress(Fact):
    """si_code and si_addr (None: there is none)."""

    kind = "si_addr"
    code: int
    address: Hex | None


@dataclass(frozen=True)
class NoSignalInformation(Fact):
    """Nothing is known of the signal."""

    kind = "no_siginfo"


@dataclass(frozen=True)
class Holds(Fact):
    """`name` (a register, an operand's text, "si_addr") is, or leads to, `value`."""

    kind = "holds"
    name: str
    value: Hex


@dataclass(frozen=True)
class AddressOf(Fact):
    """An operand's address."""

    kind = "operand_address"
    operand: str
    address: Hex


@dataclass(frozen=True)
class Accessed(Fact):
    """The instruction reads or writes (`access`) the address by this operand."""

    kind = "access"
    operand: str
    access: str
    address: Hex


@dataclass(frozen=True)
class ExpressionHolds(Fact):
    """A pointer that the source names; `member` lies `offset` bytes into what it points to ("": none is known)."""

    kind = "expression"
    expression: str
    type: str
    value: Hex
    offset: int
    member: str


@dataclass(frozen=True)
class CalledFrom(Fact):
    """The frame of the program's that made the call."""

    kind = "caller"
    caller: Frame


@dataclass(frozen=True)
class StackPointerIs(Fact):
    """The stack pointer."""

    kind = "stack_pointer"
    address: Hex


@dataclass(frozen=True)
class HeldAs(Fact):
    """The block at `block`, where the bad pointer was read, is a `type` to the `holders` (variables and members), and
    something else to others."""

    kind = "held_as"
    block: Hex
    type: str
    holders: tuple[str, ...]


@dataclass(frozen=True)
class Reused(Fact):
    """The block is what two types of pointers lead to: freed and handed out again, or cast."""

    kind = "reused"
    block: Hex


@dataclass(frozen=True)
class MemberHolds(Fact):
    """A member (`member`, at `place`; `way` from a variable to it, "" not known) holds the pointer that was used."""

    kind = "member"
    member: str
    way: str
    place: Hex
    value: Hex
