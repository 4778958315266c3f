"""C++ programs that end themselves: an exception that nobody caught, memory that new could not get, a pure virtual
function, std::terminate."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.analysis.call_stacks.whose_code import is_of_cxx_library, is_of_libc
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.exceptions import Thrown, nested_inside, thrown
from gdbheap.analysis.crashes.limits import mapped_bytes, memory_facts
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
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
from gdbheap.lazy import regex
from gdbheap.process.fact import Fact

TERMINATE = frozenset(
    {
        "std::terminate",
        "__cxxabiv1::__terminate",
        "_ZSt9terminatev",
        "__gnu_cxx::__verbose_terminate_handler",
        "__cxa_call_terminate",
        "__cxa_call_unexpected",
    }
)
# What a failed check of the containers and iterators calls: out of line since libstdc++ 12, before that in the headers.
LIBRARY_ASSERTIONS = frozenset(
    {"std::__glibcxx_assert_fail", "std::__replacement_assert", "_ZSt21__glibcxx_assert_failPKciS0_S0_"}
)
_PURE = ("__cxa_pure_virtual", "__cxa_deleted_virtual")
# The unwinder has asked a frame for its handlers, and that one allowed no exception.
_NOEXCEPT = frozenset({"__cxa_call_terminate", "__gxx_personality_v0"})
# What calls std::terminate, where the C++ library is linked in: throwing, rethrowing, unwinding, the start of a thread.
_THROWS = regex(r"__cxa_|__cxxabiv1|__gxx_|_Unwind_|std::(rethrow_exception|unexpected|__)|_ZSt|execute_native_thread")
# The frames of throwing and terminating, at most.
_MOST_THROWING = 16
# What malloc asks the kernel for beyond the size: rounding, and the top of a heap.
_ROOM = 1 << 20


def terminated(crash: CrashContext, where: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Yield why std::terminate was called; `where` says by whom abort was."""
    names = [each.function.partition("(")[0] for each in crash.stop.frames]
    if any(name in _PURE for name in names):
        yield _pure(crash, where)
        return
    flying = list(thrown(crash))
    if not flying:
        yield _without_exception(crash, where)
        return
    last, sure = _current(crash, flying)
    inside = (NestedInside(each.type, each.what) for each in nested_inside(crash, last, flying))
    evidence = (ExceptionAt(last.address), *inside, *where)
    if _is_called_directly(crash):
        handled = TerminateWhileHandled(last.type, last.what)
        yield Verdict(Cause.PROGRAM_ABORT, LIKELY, last.address, handled, evidence, ("bt", "up", "list"))
        return
    found = Uncaught(last.type, last.what, not _NOEXCEPT.isdisjoint(names))
    if last.type in ("std::bad_alloc", "std::bad_array_new_length") and not _is_programs_own(crash):
        yield _no_memory(crash, last.type, last.address, evidence)
    yield Verdict(Cause.UNCAUGHT_EXCEPTION, sure, last.address, found, evidence, ("bt", "catch throw"))


def _is_called_directly(crash: CrashContext) -> bool:
    """Whether std::terminate was called by a function of the program's, rather than by what throws and unwinds."""
    frames = [(each.function.partition("(")[0], each) for each in crash.stop.frames]
    last = max((at for at, (name, _) in enumerate(frames) if name in TERMINATE), default=None)
    if last is None or last + 1 >= len(frames):
        return False
    name, frame = frames[last + 1]
    is_known = bool(name) or _has_cxx_library(crash)
    is_unwinding = is_of_cxx_library(frame) or frame.library.startswith("libgcc_s") or _THROWS.match(name)
    return is_known and not is_unwinding


def _has_cxx_library(crash: CrashContext) -> bool:
    """Whether the C++ library is a library, so that what is in none is the program's own."""
    return any(os.path.basename(module.path).startswith("libstdc++") for module in crash.process.modules)


def is_nameless_end(crash: CrashContext) -> bool:
    """Whether the registers of frames without names hold an exception: so ends a stripped program that libstdc++ is
    linked into."""
    if _has_cxx_library(crash):
        return False  # then terminate's frames are in that library
    named = any(frame.function for frame in crash.stop.frames if not is_of_libc(frame))
    return not named and bool(_held(crash, list(thrown(crash))))


def _held(crash: CrashContext, flying: list[Thrown]) -> list[Thrown]:
    """Return those that the frames from terminate to throw hold in their registers."""
    held = {value for frame in crash.stop.frames[:_MOST_THROWING] for value in frame.registers.values()}
    return [each for each in flying if any(each.header <= value <= each.address for value in held)]


def _current(crash: CrashContext, flying: list[Thrown]) -> tuple[Thrown, str]:
    """Return the exception that ended the program, and how sure that is: others may be handled just then, here or in
    another thread."""
    chained = {each.chained for each in flying}
    latest = [each for each in flying if each.header not in chained] or flying
    found = _held(crash, latest) or latest
    # Without names a handler that calls abort() itself looks the same.
    return found[-1], CERTAIN if len(found) == 1 and not is_nameless_end(crash) else LIKELY


def _thrower(crash: CrashContext) -> int | None:
    """Return the index of the frame that threw, None where none is seen to."""
    frames = crash.stop.frames
    at = next((number for number, each in enumerate(frames) if each.function == "__cxa_throw"), None)
    return at + 1 if at is not None and at + 1 < len(frames) else None


def _is_programs_own(crash: CrashContext) -> bool:
    """Whether the program itself threw the exception, rather than operator new or the C++ library."""
    at = _thrower(crash)
    if at is None:
        return False
    frame = crash.stop.frames[at]
    return not is_of_cxx_library(frame) and not frame.function.startswith(("operator new", "std::__throw"))


def _without_exception(crash: CrashContext, where: tuple[Fact, ...]) -> Verdict:
    if crash.heap is None:
        return Verdict(Cause.UNCAUGHT_EXCEPTION, LIKELY, None, TerminateUnseen(), where, ("bt", "catch throw"))
    names = [each.function for each in crash.stop.frames]
    found = TerminateWithoutException(
        any(each.partition("(")[0] in TERMINATE for each in names),
        "__cxa_rethrow" in names,
        any("std::thread::" in each for each in names),
    )
    return Verdict(Cause.PROGRAM_ABORT, LIKELY, None, found, where, ("bt", "up", "list"))


def _pure(crash: CrashContext, where: tuple[Fact, ...]) -> Verdict:
    """A slot of a vtable that no function is in: the vtable of a base class, which an object has while it is made
    and unmade."""
    frames = crash.stop.frames
    index = next(number for number, each in enumerate(frames) if each.function.partition("(")[0] in _PURE)
    evidence, address = where, None
    caller = frames[index + 1] if index + 1 < len(frames) else None
    if caller is not None and "this" in caller.arguments:
        address = caller.arguments["this"]
        first = crash.word_at(address)
        table = crash.symbol_at(first) if first is not None else None
        evidence = (*where, ThisIs(caller.function, address, first, table))
    found = PureCalled(frames[index].function.startswith(_PURE[1]))
    next_steps = ("up", "bt") if address is None else (f"explain {address:#x}", "up")
    return Verdict(Cause.WILD_VTABLE, CERTAIN, address, found, evidence, next_steps)


def _no_memory(crash: CrashContext, kind: str, address: int, evidence: tuple[Fact, ...]) -> Verdict:
    next_steps = ("up", "info locals", "vmmap")
    if kind == "std::bad_array_new_length":
        return Verdict(Cause.BAD_ALLOC, CERTAIN, address, NewFailed("length"), evidence, next_steps)
    size, why = _asked(crash), ""
    facts = (*(() if size is None else (NewAsked(size),)), *memory_facts(crash))
    # Half of all that a program could have: a size as of a negative number, or of an overflowed product.
    if size is not None and size >= _user_end(crash) // 2:
        why = "size"
    elif size is not None and crash.memory_limit is not None:
        why = "address_space" if mapped_bytes(crash) + size + _ROOM > crash.memory_limit else ""
    if size is not None and not why and crash.data_limit is not None:
        why = "data" if crash.data_limit[1] + size + _ROOM > crash.data_limit[0] else ""
    return Verdict(Cause.BAD_ALLOC, CERTAIN, address, NewFailed(why), (*evidence, *facts), next_steps)


def _user_end(crash: CrashContext) -> int:
    """Return where the program's part of the address space ends at the least: kernels differ."""
    ends = crash.process.machine.user_ends
    last = max((vma.end for vma in crash.process.address_space if vma.end <= ends[-1]), default=0)
    return next(end for end in ends if last <= end)


def _asked(crash: CrashContext) -> int | None:
    """Return the size that operator new was called with, in bytes; None where its frame does not tell.

    libstdc++'s operator new keeps its argument in a register across the call of malloc; where arguments are on the
    stack it is there, above the return address.
    """
    frames, at = crash.stop.frames, _thrower(crash)
    if at is None or at + 1 >= len(frames) or not is_of_cxx_library(frames[at]):
        return None
    if crash.process.machine.size_of_new:
        return frames[at].registers.get(crash.process.machine.size_of_new)
    return crash.word_at(frames[at + 1].stack_pointer)
