"""Stacks that are used up, or are none."""

from __future__ import annotations

from gdbheap.analysis.facts.places import InMapping
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex


@dataclass(frozen=True)
class WildStackPointer(Fact):
    """The stack pointer leads to no stack."""

    kind = "wild_stack_pointer"
    stack_pointer: Hex


@dataclass(frozen=True)
class ThreadStackUsedUp(Fact):
    """Thread `thread` has used up its stack, or (not `own`) another one that it was on, as coroutines are. The
    address is in the `guard` of that, or `below` bytes below its end;
    `far`: so far that one large frame brought it there; `read_only`: what lies there is no guard, but may not be
    written."""

    kind = "thread_stack_used_up"
    thread: int
    guard: bool
    below: int
    far: bool
    own: bool = True
    read_only: bool = False


@dataclass(frozen=True)
class HandlerStackUsedUp(Fact):
    """A signal handler has used up the alternate stack that it runs on."""

    kind = "handler_stack_used_up"


@dataclass(frozen=True)
class AlternateStack(Fact):
    """The alternate stack, and how many bytes below it the address is."""

    kind = "alternate_stack"
    start: Hex
    end: Hex


@dataclass(frozen=True)
class BelowAlternateStack(Fact):
    """How many bytes below the alternate stack the address is."""

    kind = "below_alternate_stack"
    distance: int


@dataclass(frozen=True)
class StackAtLimit(Fact):
    """The main stack has grown to its limit."""

    kind = "stack_at_limit"


@dataclass(frozen=True)
class BeyondStackLimit(Fact):
    """The access lies beyond the stack's limit."""

    kind = "beyond_stack_limit"


@dataclass(frozen=True)
class StackIs(Fact):
    """The stack's mapping."""

    kind = "stack_mapping"
    mapping: InMapping


@dataclass(frozen=True)
class BelowStackEnd(Fact):
    """How many bytes below the stack's end the address is."""

    kind = "below_stack_end"
    distance: int


@dataclass(frozen=True)
class StackLimit(Fact):
    """The limit on the stack's size (RLIMIT_STACK), in bytes."""

    kind = "stack_limit"
    limit: int


@dataclass(frozen=True)
class BelowUsedStack(Fact):
    """How many bytes below what has been used so far the address is."""

    kind = "below_used_stack"
    distance: int


@dataclass(frozen=True)
class Recursion(Fact):
    """`functions` call each other (one: itself), about `depth` deep (0: not known), `frame_size` bytes of stack each
    time."""

    kind = "recursion"
    functions: tuple[str, ...]
    depth: int
    frame_size: int
