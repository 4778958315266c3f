"""malloc's own aborts: the check that failed, the chunk that failed it, what the program did."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.abort_texts.topic import Topic, topic_of
from gdbheap.analysis.call_stacks.in_progress_call import function_inside
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.reentry import reentered, reentered_before
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.aborts import (
    AbortExplained,
    AbortMessageIs,
    CheckImplies,
    CheckIs,
    ChunkThatFailed,
    GivenNoBlock,
    HeapFoundCorrupt,
    HeapSound,
    Means,
    PointerIs,
    PointerNotFound,
    WrongPointerUnknown,
)
from gdbheap.analysis.facts.passed import InsideBlock
from gdbheap.analysis.invariants.calls import entered_again
from gdbheap.analysis.invariants.check import judge
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.malloc_aborts.abort_message import AbortMessage
from gdbheap.analysis.malloc_aborts.dying_call import dying_part
from gdbheap.analysis.malloc_aborts.malloc_abort import (
    MallocAbort,
    cause,
    explain_abort,
    how_to_catch,
    what_died_was_given,
)
from gdbheap.analysis.malloc_aborts.passed_pointer import PassedPointer, outside_heaps
from gdbheap.process.fact import Fact

_MOST_FINDINGS = 3


def by_malloc(crash: CrashContext, said: AbortMessage, where: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Yield malloc's own abort, with the check that failed and the chunk that failed it, where these are found."""
    message = said.message
    quoted = (*where, AbortMessageIs(message, on_stack=crash.abort_message.strip() != message))
    died = _explained(crash, said)
    sure = CERTAIN if said.certain and not (died is not None and died.is_guess) else LIKELY
    corrupt, look = HeapFoundCorrupt(message), ("heap check", "bt")
    if died is None:
        yield Verdict(Cause.MALLOC_ABORT, sure, None, corrupt, quoted, look)
        yield from reentered_before(crash, False)
        return
    again = entered_again(dying_part(crash.stop.frames))
    if again is not None:
        yield reentered(*again, (*quoted, CheckIs(died.function, died.check)))
        yield Verdict(Cause.MALLOC_ABORT, sure, died.chunk, corrupt, quoted, look)
        return
    yield from _judged(crash, died, sure, quoted)


def _judged(crash: CrashContext, died: MallocAbort, sure: str, quoted: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Yield what the program did, and that the pointer was wrong, where it was."""
    heap = CheckedHeap(crash.process, crash.heap) if crash.heap is not None else None
    told = _passed(crash, heap, died)
    is_wrong = told.is_no_block if told is not None else Topic.INVALID_POINTER in topic_of(died.message)
    why = cause(heap, died, crash.symbol_at, crash.interrupted) if heap is not None else None
    is_handlers = crash.interrupted is not None and crash.interrupted.has_entered_again
    if heap is None and told is not None:
        why = GivenNoBlock("", died.pointer, told.fact)
    found: Fact = HeapFoundCorrupt(died.message)
    if why is not None:
        found = AbortExplained(died.message, why)
        # What a handler's calls of malloc do to a heap looks like other faults.
        sure = sure if is_wrong or crash.interrupted is None else LIKELY
    elif is_wrong and (died.is_sound or heap is None):
        found = WrongPointerUnknown(died.message, died.is_sound)
    facts = (*quoted, *_facts(died, why is not None or is_handlers, is_wrong and died.is_sound))
    yield Verdict(Cause.MALLOC_ABORT, sure, died.chunk, found, facts, _commands(crash, heap, died, told))
    yield from reentered_before(crash, why is not None or is_wrong)
    sure = LIKELY if told is not None or died.is_sound or heap is None else POSSIBLE
    yield from _invalid_free(died, told, quoted[:-1], sure)


def _commands(
    crash: CrashContext, heap: CheckedHeap | None, died: MallocAbort, told: PassedPointer | None
) -> tuple[str, ...]:
    catch = how_to_catch(heap, died, crash.symbol_at) if heap is not None else ""
    look = "" if died.chunk is None else f"heap chunk {died.chunk:#x}"
    if told is not None and told.is_no_block:
        look = f"explain {died.pointer:#x}"
    return tuple(filter(None, (look, "heap check", "bt", catch)))


def _passed(crash: CrashContext, heap: CheckedHeap | None, died: MallocAbort) -> PassedPointer | None:
    if died.pointer is None:
        return None
    if heap is None:
        return outside_heaps(crash.process, died.pointer, crash.symbol_at)
    return what_died_was_given(heap, died, crash.symbol_at)


def _facts(died: MallocAbort, is_explained: bool, is_sound: bool) -> Iterator[Fact]:
    """Yield what speaks for the verdict; `is_explained`: the cause is told elsewhere, `is_sound`: so it is to be said
    that the heap is."""
    yield CheckIs(died.function, died.check)
    if not is_explained and not is_sound:
        yield Means(CheckImplies(died.check))
    if died.how is not None:
        yield ChunkThatFailed(died.chunk, died.pointer, died.how)
    if died.own_evidence is not None:
        yield died.own_evidence
    if died.pointer is None and died.wants_pointer:
        yield PointerNotFound()
    if is_sound:
        yield HeapSound()
    for each in died.findings[:_MOST_FINDINGS]:
        yield each.fact


def _invalid_free(
    died: MallocAbort, told: PassedPointer | None, where: tuple[Fact, ...], sure: str
) -> Iterator[Verdict]:
    """Yield that the pointer was wrong, where it was, or may have been: where headers are overwritten, the block that
    was passed may be one of those."""
    foreign = told is not None and told.kind not in ("block", "damaged")
    # From 2.42 on a pointer that is none of malloc's fails the check of the size, where a block whose size was
    # overwritten fails too.
    is_pointer = Topic.INVALID_POINTER in topic_of(died.message) and (told is None or foreign)
    if is_pointer or (foreign and Topic.INVALID_SIZE in topic_of(died.message)):
        facts = (PointerIs(died.pointer, told.fact),) if told is not None and died.pointer is not None else ()
        if told is not None and told.is_freed_twice:
            return
        found = GivenNoBlock("free", None, None)
        if told is not None and isinstance(told.fact, InsideBlock):
            found = GivenNoBlock("free", died.pointer, told.fact)
        evidence = (*facts, *where)
        yield Verdict(Cause.INVALID_FREE, sure, died.pointer, found, evidence, ("up", "info locals"))


def _explained(crash: CrashContext, said: AbortMessage) -> MallocAbort | None:
    frames = dying_part(crash.stop.frames)
    if crash.heap is None:
        return explain_abort(None, said, frames, (), 2 * crash.pointer_size)
    inside = function_inside(frames)
    found = judge(
        crash.find_violations(), crash.process, crash.heap, {crash.stop.thread.lwp: inside} if inside else {}, True
    )
    heap = CheckedHeap(crash.process, crash.heap)
    return explain_abort(heap, said, frames, found.findings, heap.layout.header)
