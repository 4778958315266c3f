"""C++ programs that end themselves: an exception that nobody caught, memory that new could not get, a pure virtual
function, std::terminate."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gdbheap.analysis.call_stacks.whose_code import is_of_cxx_library, is_of_libc
from gdbheap.analysis.crashes.exceptions import Thrown, thrown
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict

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
# vm.max_map_count's usual value.
_MOST_MAPPINGS = 65530
# The frames of throwing and terminating, at most.
_MOST_THROWING = 16
# What malloc asks the kernel for beyond the size: rounding, and the top of a heap.
_ROOM = 1 << 20


def terminated(crash: CrashContext, where: tuple[str, ...]) -> Iterator[Verdict]:
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
    text = f": {last.what}" if last.what else ""
    evidence = [f"the exception object is at {last.address:#x}", *where]
    summary = f"nobody caught {last.type}{text}"
    if not _NOEXCEPT.isdisjoint(names):
        summary = f"{last.type}{text} left a function that is noexcept (or a destructor), which no handler can follow"
    if last.type in ("std::bad_alloc", "std::bad_array_new_length") and not _is_programs_own(crash):
        yield _no_memory(crash, last.type, last.address, tuple(evidence))
    yield Verdict("uncaught_exception", sure, last.address, summary, tuple(evidence), ("bt", "catch throw"))


def is_nameless_end(crash: CrashContext) -> bool:
    """Whether the registers of frames without names hold an exception: so ends a stripped program that libstdc++ is
    linked into."""
    if any(os.path.basename(module.path).startswith("libstdc++") for module in crash.process.modules):
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


def _without_exception(crash: CrashContext, where: tuple[str, ...]) -> Verdict:
    if crash.heap is None:
        summary = "std::terminate was called; whether an exception is in flight cannot be seen"
        return Verdict("uncaught_exception", LIKELY, None, summary, where, ("bt", "catch throw"))
    named = any(each.function.partition("(")[0] in TERMINATE for each in crash.stop.frames)
    summary = (
        f"{'std::terminate' if named else 'the C++ library gave up: abort()'} was called with no exception in flight"
    )
    if any(each.function == "__cxa_rethrow" for each in crash.stop.frames):
        summary += ": `throw;` was executed where there was none to throw again"
    if any("std::thread::" in each.function for each in crash.stop.frames):
        summary += ": a std::thread was destroyed or assigned to before it was joined or detached"
    return Verdict("program_abort", LIKELY, None, summary, where, ("bt", "up", "list"))


def _pure(crash: CrashContext, where: tuple[str, ...]) -> Verdict:
    """A slot of a vtable that no function is in: the vtable of a base class, which an object has while it is made
    and unmade."""
    frames = crash.stop.frames
    index = next(number for number, each in enumerate(frames) if each.function.partition("(")[0] in _PURE)
    evidence, address = list(where), None
    caller = frames[index + 1] if index + 1 < len(frames) else None
    if caller is not None and "this" in caller.arguments:
        address = caller.arguments["this"]
        first = crash.word_at(address)
        table = crash.symbol_at(first) if first is not None else None
        evidence.append(f"this of {caller.function} is {address:#x}; its vtable pointer is {table or first}")
    what = "deleted" if frames[index].function.startswith(_PURE[1]) else "pure virtual"
    summary = (
        f"a {what} function was called: the object is still being constructed, or is being (or has been) destroyed, so "
        "that it has its base class's vtable"
    )
    next_steps = ("up", "bt") if address is None else (f"explain {address:#x}", "up")
    return Verdict("wild_vtable", CERTAIN, address, summary, tuple(evidence), next_steps)


def _no_memory(crash: CrashContext, kind: str, address: int, evidence: tuple[str, ...]) -> Verdict:
    next_steps = ("up", "info locals", "vmmap")
    if kind == "std::bad_array_new_length":
        summary = "new[] was asked for a negative number of elements, or for more than fit in the address space"
        return Verdict("bad_alloc", CERTAIN, address, summary, evidence, next_steps)
    size = _asked(crash)
    why = "the memory was not to be had"
    facts = list(memory_facts(crash))
    if size is not None:
        facts.insert(0, f"new was asked for {size:#x} bytes ({size:,}), as far as the frame that threw tells")
        # Half of all that a program could have: a size as of a negative number, or of an overflowed product.
        if size >= crash.process.machine.user_ends[0] // 2:
            why = "the size is absurd (a negative number, or a product that overflowed)"
        elif crash.memory_limit is not None and mapped_bytes(crash) + size + _ROOM > crash.memory_limit:
            why = "the limit on the address space is reached (ulimit -v)"
        elif crash.data_limit is not None and crash.data_limit[1] + size + _ROOM > crash.data_limit[0]:
            why = "the limit on the data is reached (ulimit -d)"
    summary = f"new could not get the memory that it was asked for, and nobody caught std::bad_alloc: {why}"
    return Verdict("bad_alloc", CERTAIN, address, summary, (*evidence, *facts), next_steps)


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


def memory_facts(crash: CrashContext) -> Iterator[str]:
    """Yield what may have kept the process from getting memory."""
    space = crash.process.address_space
    yield f"the process has {len(space)} mappings of {mapped_bytes(crash):#x} bytes"
    if len(space) >= _MOST_MAPPINGS - 16:
        yield f"that is as many mappings as the kernel usually allows ({_MOST_MAPPINGS}, vm.max_map_count)"
    if crash.memory_limit is not None:
        yield f"the limit on its address space is {crash.memory_limit:#x} bytes (RLIMIT_AS)"
    if crash.data_limit is not None:
        limit, used = crash.data_limit
        yield f"the limit on its data is {limit:#x} bytes (RLIMIT_DATA), of which {used:#x} are taken"


def mapped_bytes(crash: CrashContext) -> int:
    """Return how much address space the process has, in bytes."""
    return sum(vma.size for vma in crash.process.address_space if not vma.path.startswith("[vsyscall"))
