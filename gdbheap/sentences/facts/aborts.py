"""Why a program gave itself up."""

from __future__ import annotations

from gdbheap.analysis.facts.aborts import (
    AbortExplained,
    AbortMessageIs,
    AssertionFailed,
    CalledAbort,
    CheckedCallRefused,
    CheckedWriteOverflowed,
    CheckImplies,
    CheckIs,
    ChunkThatFailed,
    CrashedOnCorruptHeap,
    EnteredAgain,
    EnteredBefore,
    FieldIsWrong,
    FoundBroken,
    GaveItselfUp,
    GivenNoBlock,
    GivenUnreadable,
    HandlerFrameLeft,
    HeapFoundCorrupt,
    HeapSound,
    LibraryGaveUp,
    MallocsCheck,
    Means,
    MutexAt,
    NotAsyncSignalSafe,
    PointerIs,
    PointerNotFound,
    ProbablyBy,
    ReadsSizeBefore,
    Reentered,
    ReturnsLeft,
    SignalFrame,
    StackCheckFailed,
    TakenForSize,
    WasPassed,
    WrongPointerUnknown,
)
from gdbheap.analysis.facts.passed import InsideBlock
from gdbheap.sentences.abort_texts import condition, implied
from gdbheap.sentences.facts.phrases import Phrases, Template
from gdbheap.sentences.facts.places import chunk


def _assertion(fact: AssertionFailed) -> str:
    if fact.of_cxx_library:
        return "an assertion of the C++ library failed (_GLIBCXX_ASSERTIONS): its text was written to standard error"
    return f"an assertion failed{f': {fact.text}' if fact.text else '; its text was written to standard error'}"


def _message(fact: AbortMessageIs) -> str:
    if fact.on_stack:
        return f"what it said is on the dying call's stack: {fact.message!r}"
    older = ", left by an earlier abort that the program survived" if fact.older else ""
    return f"__abort_msg is {fact.message!r}{older}"


def _mutex(fact: MutexAt) -> str:
    if fact.chunk is None:
        return f"the mutex is at {fact.address:#x}{f': {fact.symbol}' if fact.symbol else ''}"
    freed = ": it has been freed" if fact.is_freed else ""
    return f"the mutex is at {fact.address:#x}, {fact.offset:#x} bytes into the {chunk(fact.chunk)}{freed}"


def _handler(name: str) -> str:
    return f"the signal handler {name}" if name else "a signal handler"


def entered_again(fact: EnteredAgain) -> str:
    """Return how malloc came to be entered again, in one sentence."""
    done = fact.interrupted if fact.interrupted == fact.call else f"{fact.interrupted}, which {fact.call} had called"
    return (
        f"malloc was entered again in the middle of its work: {_handler(fact.handler)} interrupted {done} (frame "
        f"{fact.frame}), and called {fact.function} (frame {fact.inner_frame})"
    )


def entered_before(fact: EnteredBefore) -> str:
    """Return what a handler may have done to malloc before, in one sentence."""
    handler = _handler(fact.handler)
    if fact.function and fact.called:
        return (
            f"{handler} had interrupted {fact.function} before, and had itself entered malloc's code ({fact.called}): "
            "such a call corrupts a heap that is between two states"
        )
    if fact.called:
        return (
            f"{handler} calls {fact.called}: if it interrupted malloc or free before, that may have corrupted the heap"
        )
    return (
        f"{handler} had interrupted {fact.function} before: if it called malloc or free, that may have corrupted the "
        "heap"
    )


def _frame_left(fact: HandlerFrameLeft) -> str:
    return (
        f"the kernel's frame for the handler is still at {fact.address:#x}, {fact.below:#x} bytes below the stack "
        f"pointer: the signal came at {fact.program_counter:#x}, in {fact.function}"
    )


def _returns_left(fact: ReturnsLeft) -> str:
    return f"below that frame are return addresses in {f'{fact.handler} and in ' if fact.handler else ''}{fact.called}"


def _unsafe(fact: NotAsyncSignalSafe) -> str:
    so = "a handler must not call them"
    if fact.so_unexplained:
        so = "what is broken is no evidence of an overrun, nor of a second free"
    return f"malloc and free are not async-signal-safe: {so}"


def _unreadable(fact: GivenUnreadable) -> str:
    how = "which is in no mapping" if fact.canonical else "which is not an address"
    return f"{fact.function} was given {fact.pointer:#x}, {how}: no block can be there"


def field_holds(fact: FieldIsWrong) -> str:
    """Return the field and what it holds."""
    return f"{fact.field} at {fact.where:#x}{'' if fact.held is None else f' is {fact.held:#x}'}"


def _wrong_field(fact: FieldIsWrong) -> str:
    field = f"{_braced(field_holds(fact))}, must be {{must}}" if fact.field else ""
    return "; ".join(filter(None, (field, "" if fact.why is None else "{why}")))


def _braced(text: str) -> str:
    """Return a text as a template has it."""
    return text.replace("{", "{{").replace("}", "}}")


def _given(fact: GivenNoBlock) -> str:
    perhaps = "perhaps " if fact.perhaps else ""
    given = f"{fact.function} was given a" if fact.function else f"{perhaps}a"
    what = "" if fact.what is None else ": {what}" if fact.pointer is None else ": {pointer} {what}"
    # (A block may have begun there, before malloc handed out the one around it.)
    which = "is the start of no block" if isinstance(fact.what, InsideBlock) else "malloc did not return"
    return f"{given} pointer that {which}{what}"


def _chunk(fact: ChunkThatFailed) -> str:
    if fact.chunk is not None:
        passed = ", which the caller passed as {pointer}" if fact.pointer is not None else ""
        return f"the chunk is {{chunk}}{passed}: {{how}}"
    return "the caller passed {pointer}: {how}" if fact.pointer is not None else "the chunk is not known: {how}"


_REFUSED = {
    "percent_n": (
        "printf was given %n in a format that lies in writable memory: it was made at run time, or by somebody else"
    ),
    "longjmp": "longjmp was asked to go to a function that has returned",
    "fd_set": "an fd_set was asked for a descriptor that it has no bit for (FD_SETSIZE, 1024, or more; or negative)",
}


def _crashed(fact: CrashedOnCorruptHeap) -> str:
    field = "{field}" if fact.field else "{message}"
    return f"{{function}} crashed on a corrupt heap: {field} at {{where}} is overwritten"


PHRASES: Phrases = {
    ChunkThatFailed: Template(_chunk),
    GivenNoBlock: Template(_given),
    CrashedOnCorruptHeap: Template(_crashed),
    StackCheckFailed: lambda fact: (
        "a function found its stack canary overwritten: a local array overflowed"
        if fact.canary
        else "a stack check failed"
    ),
    AssertionFailed: _assertion,
    GaveItselfUp: ("the program, or a library, called abort(): the stack, which would show why, cannot be unwound"),
    CalledAbort: lambda fact: (
        "the program sent itself SIGABRT, without abort()" if fact.by_signal else "the program called abort()"
    ),
    LibraryGaveUp: "the C library gave up: {message}",
    CheckedWriteOverflowed: "a checked library function was asked to write past its destination's end",
    CheckedCallRefused: lambda fact: _REFUSED[fact.check],
    AbortMessageIs: _message,
    MutexAt: _mutex,
    HeapFoundCorrupt: "malloc found the heap corrupt: {message}",
    AbortExplained: "{message}: {cause}",
    WrongPointerUnknown: lambda fact: (
        "{message}: the pointer is wrong (which one it was is not known); the heap itself is sound"
        if fact.is_sound
        else "{message}: the pointer is wrong, or the header in front of it overwritten (which one it was is not known)"
    ),
    MallocsCheck: condition,
    CheckImplies: lambda fact: implied(fact.check),
    CheckIs: "{function} checks: {condition}",
    Means: "that means: {meaning}",
    PointerNotFound: "the pointer that the caller passed is in no argument, register or stack word that is left",
    HeapSound: "the heap itself is sound: `heap check` finds no fault in it",
    NotAsyncSignalSafe: _unsafe,
    EnteredAgain: entered_again,
    Reentered: "{entry}; the heap may then be between two states, which would explain this crash",
    SignalFrame: "frame {frame} is where the signal came",
    EnteredBefore: entered_before,
    HandlerFrameLeft: _frame_left,
    ReturnsLeft: _returns_left,
    GivenUnreadable: _unreadable,
    ReadsSizeBefore: "{operand} reads the size field in front of {pointer}",
    PointerIs: "{pointer} {what}",
    WasPassed: "{pointer} was passed: {how}",
    TakenForSize: (
        "the word before it, {word}, is taken for a size field: NON_MAIN_ARENA is set, so a heap should begin at {heap}"
    ),
    ProbablyBy: "probably {writer}",
    FieldIsWrong: Template(_wrong_field),
    FoundBroken: "heap check: {message} at {address}: {detail}",
}
