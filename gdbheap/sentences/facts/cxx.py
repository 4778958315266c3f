"""C++ programs that end themselves."""

from __future__ import annotations

from gdbheap.analysis.facts.cxx import (
    ExceptionAt,
    NestedInside,
    NewAsked,
    NewFailed,
    PureCalled,
    TerminateUnseen,
    TerminateWhileHandled,
    TerminateWithoutException,
    ThisIs,
    Uncaught,
)
from gdbheap.sentences.facts.phrases import Phrases

_WHY_NEW = {
    "": "no memory was to be had",
    "size": "the size is absurd (a negative number, or a product that overflowed)",
    "address_space": "the limit on the address space is reached (ulimit -v)",
    "data": "the limit on the data is reached (ulimit -d)",
}


def _uncaught(fact: Uncaught) -> str:
    text = f": {fact.what}" if fact.what else ""
    if fact.left_noexcept:
        return f"{fact.type}{text} left a function that is noexcept (or a destructor): no handler could catch it"
    return f"nobody caught {fact.type}{text}"


def _terminate(fact: TerminateWithoutException) -> str:
    who = "std::terminate" if fact.named else "the C++ library gave up: abort()"
    rethrow = ": `throw;` was executed with no exception to rethrow" if fact.by_rethrow else ""
    thread = ": a std::thread was destroyed or assigned to before it was joined or detached" if fact.by_thread else ""
    return f"{who} was called with no exception in flight{rethrow}{thread}"


def _this(fact: ThisIs) -> str:
    vtable = fact.symbol or ("not known" if fact.vtable is None else f"{fact.vtable:#x}")
    return f"this of {fact.function} is {fact.this:#x}; its vtable pointer is {vtable}"


def _new_failed(fact: NewFailed) -> str:
    if fact.reason == "length":
        return "new[] was asked for a negative number of elements, or for more than fit in the address space"
    return f"new failed, and nobody caught std::bad_alloc: {_WHY_NEW[fact.reason]}"


def _with_text(fact: TerminateWhileHandled | NestedInside) -> str:
    return f"{fact.type}: {fact.what}" if fact.what else fact.type


PHRASES: Phrases = {
    TerminateWhileHandled: lambda fact: (
        f"the program itself called std::terminate while it handled {_with_text(fact)} (or that left a function that "
        "is noexcept)"
    ),
    NestedInside: lambda fact: f"nested inside it is {_with_text(fact)}",
    Uncaught: _uncaught,
    ExceptionAt: "the exception object is at {address}",
    TerminateUnseen: "std::terminate was called; whether an exception is in flight cannot be seen",
    TerminateWithoutException: _terminate,
    PureCalled: lambda fact: (
        f"a {'deleted' if fact.deleted else 'pure virtual'} function was called: the object is still being "
        "constructed, or is being (or has been) destroyed, and has its base class's vtable"
    ),
    ThisIs: _this,
    NewFailed: _new_failed,
    NewAsked: "new was asked for {size:#x} bytes ({size:,}), judging by the frame that threw",
}
