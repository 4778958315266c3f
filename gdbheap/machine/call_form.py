"""How a machine's code calls functions, and what is told of one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdbheap.lazy import dataclass
from gdbheap.machine.register_values import Registers, Value
from gdbheap.machine.stopped import CodeLines, StoppedProcess


@dataclass(frozen=True)
class Transfer:
    """A call, or a jump (`is_call` False), to `destination`, or to what the `target` comes to."""

    is_call: bool
    destination: int | None = None
    target: str = ""


@dataclass(frozen=True)
class CallResult:
    """What a call has returned: that of the function called `function`, made at `place`, with these first arguments
    (None: not known); and what was `added` to it since."""

    function: str
    place: int
    arguments: tuple[int | None, ...]
    added: int


@dataclass(frozen=True)
class CallForm:
    """How a machine's code calls functions.

    `arguments` are the registers of the first ones, by the names that `follow` has for them (of a machine that passes
    them on the stack the first stands for it, and is none: `in_registers` False); `kept` those that calls preserve,
    with the frames' names for them; `pushed` the bytes that a call puts on the stack.

    `follow` goes through a function's code up to the instruction of an index; `transfer` reads a call or a jump, None
    for other instructions; `target` is the value that a transfer goes to; `argument` that of an argument at a call (or
    a jump); `behind_stub` is where a stub (PLT) at an address leads, the address where there is none; `direct_call`
    where the call that ends at an address leads by its bytes alone, None where they do not tell.
    """

    arguments: tuple[str, ...]
    in_registers: bool
    kept: Mapping[str, str]
    stack_pointer: str
    pushed: int
    follow: Callable[[CodeLines, int], Registers]
    transfer: Callable[[str], Transfer | None]
    target: Callable[[Registers, str], Value | None]
    argument: Callable[[Registers, str, bool], Value | None]
    behind_stub: Callable[[StoppedProcess, int], int]
    direct_call: Callable[[StoppedProcess, int], int | None]
