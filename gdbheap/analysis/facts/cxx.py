"""C++ programs that end themselves."""

from __future__ import annotations

from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact, Hex
from gdbheap.process.named_address import NamedAddress


@dataclass(frozen=True)
class Uncaught(Fact):
    """An exception that nobody caught: its `type`, and what() or the value of a plain type ("" cannot be read).
    `left_noexcept`: it left a function that allows none."""

    kind = "uncaught"
    type: str
    what: str
    left_noexcept: bool


@dataclass(frozen=True)
class TerminateWhileHandled(Fact):
    """The program called std::terminate itself, while it handled an exception, or one left a function that allows
    none: the call looks the same."""

    kind = "terminate_while_handled"
    type: str
    what: str


@dataclass(frozen=True)
class NestedInside(Fact):
    """The exception that std::throw_with_nested put into the one before it."""

    kind = "nested_inside"
    type: str
    what: str


@dataclass(frozen=True)
class ExceptionAt(Fact):
    """Where the exception object is."""

    kind = "exception_object"
    address: Hex


@dataclass(frozen=True)
class TerminateUnseen(Fact):
    """std::terminate was called, and whether an exception is in flight cannot be seen."""

    kind = "terminate_unseen"


@dataclass(frozen=True)
class TerminateWithoutException(Fact):
    """The C++ library gave up with no exception in flight; by std::terminate, where that is `named`. `by_rethrow`:
    there was none to throw again; `by_thread`: a std::thread was destroyed while it could be joined."""

    kind = "terminate_without_exception"
    named: bool
    by_rethrow: bool
    by_thread: bool


@dataclass(frozen=True)
class PureCalled(Fact):
    """A pure virtual function was called, or (`deleted`) a deleted one."""

    kind = "pure_called"
    deleted: bool


@dataclass(frozen=True)
class ThisIs(Fact):
    """`this` of a function, the word that it begins with, and the symbol that this leads to."""

    kind = "this"
    function: str
    this: Hex
    vtable: Hex | None
    symbol: NamedAddress | None


@dataclass(frozen=True)
class NewFailed(Fact):
    """new could not get memory: `reason` is "size" (absurd), "address_space" or "data" (a limit), "length" (of an
    array: negative, or too much), "" not known."""

    kind = "new_failed"
    reason: str


@dataclass(frozen=True)
class NewAsked(Fact):
    """How many bytes new was asked for."""

    kind = "new_asked"
    size: int
