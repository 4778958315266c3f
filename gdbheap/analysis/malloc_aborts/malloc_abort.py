"""Why malloc aborted: from its message and the frames to the check that failed, the chunk that failed it, and the
pointer that was passed."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.abort_texts.assertions import find_assertion
from gdbheap.analysis.abort_texts.table import find_text
from gdbheap.analysis.abort_texts.text import TAKE_POINTER, DiesIn
from gdbheap.analysis.facts.aborts import GivenNoBlock, MallocsCheck
from gdbheap.analysis.facts.passed import FoundBy, ResultOfCall, WhereDamaged
from gdbheap.analysis.facts.writers import AfterFree, DoubleFree, FromAbove, PastEnd, PastFreeBlock, UsedAsStack
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.malloc_aborts.abort_message import AbortMessage, in_older_words
from gdbheap.analysis.malloc_aborts.affected_chunk import find_subject
from gdbheap.analysis.malloc_aborts.dying_call import calling_frame, is_in_realloc
from gdbheap.analysis.malloc_aborts.interrupted_before import InterruptedBefore
from gdbheap.analysis.malloc_aborts.passed_pointer import PassedPointer, what_was_passed
from gdbheap.analysis.malloc_aborts.passed_subject import told_by_the_call
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.analysis.suspects.recipe import break_at_free, recipe
from gdbheap.analysis.suspects.run_over import overflowed_stack
from gdbheap.analysis.suspects.suspected_writer import MOST_RETURNS, probable_writer
from gdbheap.lazy import dataclass
from gdbheap.process.fact import Fact
from gdbheap.process.frame import Frame
from gdbheap.process.symbols import SymbolAt


@dataclass(frozen=True)
class MallocAbort:
    """An abort of malloc's own, explained.

    `message` is what it said; `function` said it, in a call of `call`; `check` is the check that failed. `chunk` is
    the chunk that failed it, `pointer` what the caller passed (None: not found, or none), `how` tells how they were
    found, `evidence` is the check in this chunk's own numbers. `caller` is the innermost frame outside libc. `findings`
    are what `heap check` says of the chunk, and of what touches it. `is_guess`: the pointer only fits what was said,
    and was found where any other value may be. `is_sound`: `heap check` finds nothing wrong with the heap.
    `is_realloc`: it was realloc that the program called with the pointer.
    """

    message: str
    check: MallocsCheck
    function: str
    call: DiesIn
    chunk: int | None
    pointer: int | None
    how: Fact | None
    evidence: Fact | None
    caller: Frame | None
    findings: tuple[Finding, ...]
    certain: bool = True
    is_guess: bool = False
    is_sound: bool = False
    is_realloc: bool = False

    @property
    def wants_pointer(self) -> bool:
        """Whether the call was given a pointer."""
        return self.call in TAKE_POINTER

    @property
    def own_evidence(self) -> Fact | None:
        """The evidence; None where a finding tells it as well."""
        return None if self.evidence in [each.detail for each in self.findings] else self.evidence


def explain_abort(
    heap: CheckedHeap | None, said: AbortMessage, frames: Sequence[Frame], findings: Sequence[Finding], header: int
) -> MallocAbort | None:
    """Return the abort explained; None where the message is none of malloc's.

    `frames` are the aborting thread's, the innermost first (() where they are not known); `findings` what judge()
    found. Without a heap the check is named, and the pointer, where the call tells it; `header` is what lies in front
    of a block.
    """
    message = said.message
    text, assertion = find_text(message) or in_older_words(message), find_assertion(message)
    if text is not None:
        function, call, check = text.function, text.call, MallocsCheck(text.text)
    elif assertion is not None:
        function, expression, known = assertion
        call = known.call if known else DiesIn.MALLOC_OR_FREE
        check = MallocsCheck("", expression, known.words if known else "")
    else:
        return None
    if heap is not None:
        subject = find_subject(heap, check.text or check.expression, frames, findings)
    else:
        subject = told_by_the_call(frames, header)
    if subject is None:
        subject = AffectedChunk(None, None, None, None)
    return MallocAbort(
        message=message,
        check=check,
        function=function,
        call=call,
        chunk=subject.chunk,
        pointer=subject.pointer,
        how=subject.how,
        evidence=subject.evidence,
        caller=calling_frame(frames),
        findings=tuple(each for each in findings if heap is not None and concerns(heap, each, subject)),
        certain=said.certain,
        is_guess=subject.is_guess,
        is_sound=heap is not None and not findings,
        is_realloc=call is DiesIn.REALLOC or is_in_realloc(frames),
    )


def cause(heap: CheckedHeap, died: MallocAbort, symbol_at: SymbolAt, before: InterruptedBefore | None) -> Fact | None:
    """Return what the program probably did: freed a block twice, freed what is no block, overran one; None where
    nothing tells. Where a handler had entered malloc in the middle of its work (`before`), that may have done all of
    it, except what no code of malloc's does."""
    passed = what_died_was_given(heap, died, symbol_at)
    is_handlers = before is not None and before.has_entered_again
    result = died.how if isinstance(died.how, ResultOfCall) and died.how.is_block and died.how.added else None
    if result is not None and passed is not None and passed.is_freed_twice:
        return GivenNoBlock("", None, result)
    if died.pointer is not None and passed is not None:
        if passed.is_no_block:
            return GivenNoBlock("", died.pointer, passed.fact, died.is_guess)
        if passed.is_freed_twice and not is_handlers:
            return DoubleFree(died.pointer, passed.fact, died.is_guess, died.is_realloc)
        # (Which of several blocks with broken headers was passed, and used as a stack, `heap check` does not tell.)
        is_told = died.findings and not (died.is_guess and isinstance(died.how, FoundBy))
        returns = overflowed_stack(heap, died.pointer) if is_told else ()
        if returns:
            return UsedAsStack(died.pointer, returns[:MOST_RETURNS], died.is_guess)
    if result is not None and died.pointer is None and result.added % heap.layout.alignment:
        return GivenNoBlock("", None, result)
    return _by_writer(heap, died, is_handlers)


def what_died_was_given(heap: CheckedHeap, died: MallocAbort, symbol_at: SymbolAt) -> PassedPointer | None:
    """Return what the pointer is that the call was given; None where that pointer is not known. A block with a
    mapping of its own is none of the heap's, but `heap check` knows that its header was overwritten."""
    if died.pointer is None:
        return None
    passed = what_was_passed(heap, died.pointer, symbol_at)
    chunk = died.pointer - heap.layout.header
    broken = next(
        (each for each in died.findings if each.address == chunk and each.field in ("size", "prev_size")), None
    )
    if passed.kind != "foreign" or broken is None:
        return passed
    return PassedPointer("damaged", WhereDamaged(chunk, died.pointer))


def _by_writer(heap: CheckedHeap, died: MallocAbort, is_handlers: bool) -> Fact | None:
    for each in died.findings:
        writer = probable_writer(heap, each)
        if (is_handlers and not writer.is_run) or writer.fact is None:
            continue
        if writer.kind == "overrun":
            return PastEnd(writer.fact, not writer.is_run)
        if writer.kind in ("underrun", "stack"):
            return FromAbove(writer.fact)
        if isinstance(writer.fact, PastFreeBlock):
            return PastEnd(writer.fact, True)
        if writer.kind == "dangling":
            return AfterFree(writer.fact)
    return None


def how_to_catch(heap: CheckedHeap, died: MallocAbort, symbol_at: SymbolAt) -> str:
    """Return the gdb command that stops a rerun where the bug is: at the free before the second one, or at the
    write; "" where nothing tells."""
    passed = what_died_was_given(heap, died, symbol_at)
    if died.pointer is not None and passed is not None and passed.is_freed_twice:
        return break_at_free(heap, died.pointer)
    for each in died.findings:
        writer = probable_writer(heap, each)
        if writer.kind != "unknown":
            return recipe(heap, each, writer)[0]
    return ""


def concerns(heap: CheckedHeap, each: Finding, subject: AffectedChunk) -> bool:
    """Whether a finding is about the subject, or about the header behind it."""
    if subject.finding is each:
        return True
    chunk = subject.chunk
    if chunk is None:
        return False
    row = heap.table.row_of(chunk)
    around = heap.gap_at(chunk)
    if around is not None and each.address == around.address:
        return True  # the first broken header of the stretch that the chunk lies in
    end = chunk + (int(heap.table.size[row]) if row is not None else 0) + heap.layout.header
    return chunk in (each.address, *each.suspects) or chunk <= each.where < end
