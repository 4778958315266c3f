"""What a SIGABRT is about: glibc's own message, an assertion, an exception that nobody caught, or abort() itself."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.call_stacks.whose_code import ABORT, is_library_code, is_of_libc, is_of_program, sends_signal
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.crash_handlers import aborted_in_handler
from gdbheap.analysis.crashes.cxx import LIBRARY_ASSERTIONS, TERMINATE, is_nameless_end, terminated
from gdbheap.analysis.crashes.mallocs_aborts import by_malloc
from gdbheap.analysis.crashes.mutexes import around_mutex, failed_mutex
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, Cause, Verdict
from gdbheap.analysis.facts.aborts import (
    AbortMessageIs,
    AssertionFailed,
    CalledAbort,
    CheckedCallRefused,
    CheckedWriteOverflowed,
    GaveItselfUp,
    LibraryGaveUp,
    StackCheckFailed,
)
from gdbheap.analysis.facts.stop import CalledFrom
from gdbheap.analysis.malloc_aborts.abort_message import called_abort, last_words
from gdbheap.analysis.malloc_aborts.dying_call import calling_frame, dying_part
from gdbheap.lazy import regex
from gdbheap.process.fact import Fact
from gdbheap.process.frame import Frame
from gdbheap.process.signal_info import SIGABRT

_ASSERTION = regex(r"Assertion .*failed|assertion failed")
_OVERFLOW = "buffer overflow detected"
_REFUSALS = {
    "%n in writable": "percent_n",
    "longjmp causes uninitialized": "longjmp",
    "FD_SETSIZE": "fd_set",
}
_LOOK = ("up", "info locals")


def aborts(crash: CrashContext) -> Iterator[Verdict]:
    """Yield why the program gave itself up."""
    signal = crash.stop.signal
    if (
        signal is None
        or signal.signal != SIGABRT
        or (signal.sender is not None and signal.sender != crash.stop.own_pid)
    ):
        return
    frames = dying_part(crash.stop.frames)
    said = last_words(crash.process, crash.abort_message.strip(), frames, True)
    caller = calling_frame(frames) if said is not None else first_of_program(crash)
    where = (CalledFrom(caller),) if caller is not None else ()
    message = said.message if said is not None else crash.abort_message.strip()
    if said is not None:
        yield from by_malloc(crash, said, where)
    elif message and not called_abort(frames):
        yield _by_message(crash, message, where)
    else:
        yield from _by_names(crash, message, where)


def _by_names(crash: CrashContext, message: str, where: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Yield what the functions on the stack tell. `message` is of an earlier abort."""
    names = {each.function.partition("(")[0] for each in crash.stop.frames}
    if any(name.startswith(("__stack_chk_fail", "__fortify_fail")) for name in names):
        yield Verdict(Cause.STACK_SMASHING, LIKELY, None, StackCheckFailed(False), where, ("up", "info frame"))
    elif names & LIBRARY_ASSERTIONS:
        yield Verdict(Cause.ASSERTION, CERTAIN, None, AssertionFailed("", True), where, _LOOK)
    elif names & TERMINATE or _is_of_cxx(crash) or is_nameless_end(crash):
        yield from terminated(crash, where)
    elif any(name.startswith("__assert") for name in names):
        yield Verdict(Cause.ASSERTION, LIKELY, None, AssertionFailed(""), where, ("up", "list"))
    elif len(crash.stop.frames) <= 1 and not message:
        yield Verdict(Cause.PROGRAM_ABORT, LIKELY, None, GaveItselfUp(), (), ("bt", "heap check"))
    elif (handled := aborted_in_handler(crash)) is not None:
        yield handled
    else:
        older = (AbortMessageIs(message, older=True),) if message else ()
        sure = CERTAIN if where else LIKELY
        frames = crash.stop.frames
        by_signal = any(map(sends_signal, frames)) and not any(each.function in ABORT for each in frames)
        yield Verdict(Cause.PROGRAM_ABORT, sure, None, CalledAbort(by_signal), (*where, *older), ("bt", "up", "list"))


def _by_message(crash: CrashContext, message: str, where: tuple[Fact, ...]) -> Verdict:
    quoted = (AbortMessageIs(message), *where)
    if "stack smashing detected" in message:
        return Verdict(Cause.STACK_SMASHING, CERTAIN, None, StackCheckFailed(True), quoted, _LOOK)
    refused = next((CheckedCallRefused(check) for text, check in _REFUSALS.items() if text in message), None)
    if refused is not None or _OVERFLOW in message:
        found = refused or CheckedWriteOverflowed()
        return Verdict(Cause.FORTIFY_OVERFLOW, CERTAIN, None, found, quoted, ("up", "info args"))
    if not _ASSERTION.search(message):
        return Verdict(Cause.PROGRAM_ABORT, LIKELY, None, LibraryGaveUp(message), quoted, ("bt",))
    mutex = failed_mutex(crash.stop.frames)
    facts = (*quoted, *(() if mutex is None else around_mutex(crash, mutex)))
    next_steps = ("up", "list", *(() if mutex is None else (f"explain {mutex:#x}",)))
    return Verdict(Cause.ASSERTION, CERTAIN, mutex, AssertionFailed(message), facts, next_steps)


def first_of_program(crash: CrashContext) -> Frame | None:
    """Return the innermost frame whose code is not the C or C++ library's, or None."""
    frames = dying_part(crash.stop.frames)
    own = [each for each in frames if is_of_program(each)]
    return next((each for each in own if not is_library_code(each)), own[0] if own else None)


def _is_of_cxx(crash: CrashContext) -> bool:
    """Whether it is the C++ library that called abort (its terminate handler, whose name is in no symbol table)."""
    return next((each.library for each in crash.stop.frames if not is_of_libc(each)), "").startswith("libstdc++")
