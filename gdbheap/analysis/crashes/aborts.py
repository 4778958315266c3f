"""What a SIGABRT is about: glibc's own message, an assertion, an exception that nobody caught, or abort() itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gdbheap.analysis.abort_texts.topic import Topic, topic_of
from gdbheap.analysis.call_stacks.in_progress_call import function_inside
from gdbheap.analysis.call_stacks.whose_code import is_library_code, is_of_libc, is_of_program
from gdbheap.analysis.crashes.crash_handlers import aborted_in_handler
from gdbheap.analysis.crashes.cxx import LIBRARY_ASSERTIONS, TERMINATE, is_nameless_end, terminated
from gdbheap.analysis.crashes.mutexes import around_mutex, failed_mutex
from gdbheap.analysis.crashes.reentry import reentered, reentered_before
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, CrashContext, Verdict
from gdbheap.analysis.invariants.calls import entered_again
from gdbheap.analysis.invariants.check import judge
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.malloc_aborts.abort_message import AbortMessage, called_abort, last_words
from gdbheap.analysis.malloc_aborts.dying_call import calling_frame, dying_part
from gdbheap.analysis.malloc_aborts.malloc_abort import MallocAbort, cause, explain_abort, how_to_catch
from gdbheap.analysis.malloc_aborts.passed_pointer import PassedPointer, outside_heaps, what_was_passed
from gdbheap.process.frame import Frame
from gdbheap.process.signal_info import SIGABRT

_MOST_FINDINGS = 3
_ASSERTION = re.compile(r"Assertion .*failed|assertion failed")


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
    where = (f"called from {caller.words}",) if caller is not None else ()
    message = said.message if said is not None else crash.abort_message.strip()
    if said is not None:
        yield from _by_malloc(crash, said, where)
        return
    if message and not called_abort(frames):
        yield from _by_message(crash, message, where)
        return
    names = {each.function.partition("(")[0] for each in crash.stop.frames}
    if any(name.startswith(("__stack_chk_fail", "__fortify_fail")) for name in names):
        yield Verdict("stack_smashing", LIKELY, None, "a stack check failed", where, ("up", "info frame"))
    elif names & LIBRARY_ASSERTIONS:
        summary = (
            "an assertion of the C++ library's failed (_GLIBCXX_ASSERTIONS): its text was written to standard error"
        )
        yield Verdict("assertion", CERTAIN, None, summary, where, ("up", "info locals"))
    elif names & TERMINATE or _is_of_cxx(crash) or is_nameless_end(crash):
        yield from terminated(crash, where)
    elif any(name.startswith("__assert") for name in names):
        yield Verdict(
            "assertion",
            LIKELY,
            None,
            "an assertion failed; its text was written to standard error",
            where,
            ("up", "list"),
        )
    elif len(crash.stop.frames) <= 1 and not message:
        summary = (
            "the program gave itself up (abort(), in whoever's name): its stack, which would tell why, cannot "
            "be unwound"
        )
        yield Verdict("program_abort", LIKELY, None, summary, (), ("bt", "heap check"))
    elif (handled := aborted_in_handler(crash)) is not None:
        yield handled
    else:
        summary = "the program called abort()"
        older = (
            (f"__abort_msg is {message!r}, which is of an earlier abort that the program lived through",)
            if message
            else ()
        )
        sure = CERTAIN if caller is not None else LIKELY
        yield Verdict("program_abort", sure, None, summary, (*where, *older), ("bt", "up", "list"))


def _by_message(crash: CrashContext, message: str, where: tuple[str, ...]) -> Iterator[Verdict]:
    quoted = (f"__abort_msg is {message!r}", *where)
    if "stack smashing detected" in message:
        yield Verdict(
            "stack_smashing",
            CERTAIN,
            None,
            "a function found its stack canary overwritten: a local array overflowed",
            quoted,
            ("up", "info locals"),
        )
    elif (
        "buffer overflow detected" in message
        or "%n in writable" in message
        or "longjmp causes uninitialized" in message
    ):
        yield Verdict(
            "fortify_overflow",
            CERTAIN,
            None,
            "a checked library function was asked to write past its destination's end",
            quoted,
            ("up", "info args"),
        )
    elif _ASSERTION.search(message):
        mutex = failed_mutex(crash.stop.frames)
        facts, look = ((), ()) if mutex is None else (around_mutex(crash, mutex), (f"explain {mutex:#x}",))
        summary = f"an assertion failed: {message}"
        yield Verdict("assertion", CERTAIN, mutex, summary, (*quoted, *facts), ("up", "list", *look))
    else:
        yield Verdict("program_abort", LIKELY, None, f"the C library gave up: {message}", quoted, ("bt",))


def _by_malloc(crash: CrashContext, said: AbortMessage, where: tuple[str, ...]) -> Iterator[Verdict]:
    """Yield malloc's own abort, with the check that failed and the chunk that failed it, where these are found."""
    message = said.message
    source = (
        "__abort_msg is" if crash.abort_message.strip() == message else "the dying call's stack tells what it said:"
    )
    quoted = (*where, f"{source} {message!r}")
    summary = f"malloc found the heap corrupt: {message}"
    died = _explained(crash, said)
    sure = CERTAIN if said.certain and not (died is not None and died.is_guess) else LIKELY
    if died is None:
        yield Verdict("malloc_abort", sure, None, summary, quoted, ("heap check", "bt"))
        yield from reentered_before(crash, False)
        return
    again = entered_again(dying_part(crash.stop.frames))
    if again is not None:
        yield reentered(*again, (*quoted, f"{died.function} checks: {died.condition}"))
        yield Verdict("malloc_abort", sure, died.chunk, summary, quoted, ("heap check", "bt"))
        return
    heap = CheckedHeap(crash.process, crash.heap) if crash.heap is not None else None
    told = _passed(crash, heap, died)
    is_wrong = told.is_no_block if told is not None else Topic.INVALID_POINTER in topic_of(message)
    why = cause(heap, died, crash.symbol_at, crash.interrupted) if heap is not None else ""
    is_handlers = crash.interrupted is not None and crash.interrupted.has_entered_again
    if heap is None and told is not None:
        why = f"a pointer that malloc did not return: {died.pointer:#x} {told.words}"
    if why:
        summary = f"{message}: {why}"
        # What a handler's calls of malloc do to a heap looks like other faults.
        sure = sure if is_wrong or crash.interrupted is None else LIKELY
    elif is_wrong and died.is_sound:
        summary = f"{message}: the pointer is wrong (which one it was is not known); the heap itself is sound"
    facts = (*quoted, *_facts(died, bool(why) or is_handlers, is_wrong and died.is_sound))
    catch = how_to_catch(heap, died, crash.symbol_at) if heap is not None else ""
    look = "" if died.chunk is None else f"heap chunk {died.chunk:#x}"
    if told is not None and told.is_no_block:
        look = f"explain {died.pointer:#x}"
    commands = tuple(filter(None, (look, "heap check", "bt", catch)))
    yield Verdict("malloc_abort", sure, died.chunk, summary, facts, commands)
    yield from reentered_before(crash, bool(why) or is_wrong)
    yield from _invalid_free(died, told, where)


def _passed(crash: CrashContext, heap: CheckedHeap | None, died: MallocAbort) -> PassedPointer | None:
    if died.pointer is None:
        return None
    if heap is None:
        return outside_heaps(crash.process, died.pointer, crash.symbol_at)
    return what_was_passed(heap, died.pointer, crash.symbol_at)


def _facts(died: MallocAbort, is_explained: bool, is_sound: bool) -> Iterator[str]:
    """Yield what speaks for the verdict; `is_explained`: the cause is told elsewhere, `is_sound`: so it is to be said
    that the heap is."""
    yield f"{died.function} checks: {died.condition}"
    if not is_explained and not is_sound:
        yield f"that means: {died.implies}"
    if died.chunk is not None:
        passed = f", which the caller passed as {died.pointer:#x}" if died.pointer is not None else ""
        yield f"the chunk is {died.chunk:#x}{passed}: {died.how}"
    elif died.pointer is not None:
        yield f"the caller passed {died.pointer:#x}: {died.how}"
    elif died.how:
        yield f"the chunk is not known: {died.how}"
    if died.evidence and died.evidence not in [each.detail for each in died.findings]:
        yield died.evidence
    if died.pointer is None and died.wants_pointer:
        yield "the pointer that the caller passed is in no argument, register or stack word that is left"
    if is_sound:
        yield "the heap itself is sound: `heap check` finds no fault in it"
    for each in died.findings[:_MOST_FINDINGS]:
        yield f"heap check: {each.message} at {each.address:#x}: {each.detail}"


def _invalid_free(died: MallocAbort, told: PassedPointer | None, where: tuple[str, ...]) -> Iterator[Verdict]:
    """Yield that the pointer was wrong, where it was, or may have been."""
    foreign = told is not None and told.kind not in ("block", "damaged")
    # From 2.42 on a pointer that is none of malloc's fails the check of the size, where a block whose size was
    # overwritten fails too.
    is_pointer = Topic.INVALID_POINTER in topic_of(died.message) and (told is None or foreign)
    if is_pointer or (foreign and Topic.INVALID_SIZE in topic_of(died.message)):
        wrong = "free was given a pointer that malloc did not return"
        facts = [f"{died.pointer:#x} {told.words}"] if told is not None and died.pointer is not None else []
        yield Verdict("invalid_free", LIKELY, died.pointer, wrong, (*facts, *where), ("up", "info locals"))


def _explained(crash: CrashContext, said: AbortMessage) -> MallocAbort | None:
    frames = dying_part(crash.stop.frames)
    if crash.heap is None:
        return explain_abort(None, said, frames, ())
    inside = function_inside(frames)
    found = judge(
        crash.find_violations(), crash.process, crash.heap, {crash.stop.thread.lwp: inside} if inside else {}, True
    )
    return explain_abort(CheckedHeap(crash.process, crash.heap), said, frames, found.findings)


def first_of_program(crash: CrashContext) -> Frame | None:
    """Return the innermost frame whose code is not the C or C++ library's, or None."""
    frames = dying_part(crash.stop.frames)
    own = [each for each in frames if is_of_program(each)]
    return next((each for each in own if not is_library_code(each)), own[0] if own else None)


def _is_of_cxx(crash: CrashContext) -> bool:
    """Whether it is the C++ library that called abort (its terminate handler, whose name is in no symbol table)."""
    return next((each.library for each in crash.stop.frames if not is_of_libc(each)), "").startswith("libstdc++")
