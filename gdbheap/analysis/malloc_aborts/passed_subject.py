"""What the call that died was given, as the subject of its abort: malloc's checks are made again on whatever it may
have been."""

from __future__ import annotations

from collections.abc import Sequence

from gdbheap.analysis.abort_texts.topic import Topic, topic_of
from gdbheap.analysis.facts.free_checks import NextHeader, NotAligned, SizeIs
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.free_check import MUNMAP, FreeOutcome, arena_for, what_free_says
from gdbheap.analysis.malloc_aborts.dying_call import (
    OF_CALL,
    OF_CALLER,
    OF_MALLOC,
    OF_REGISTER,
    candidates,
    given_to_malloc,
    how_passed,
    passing_frame,
)
from gdbheap.analysis.malloc_aborts.passed_result import by_result
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK
from gdbheap.process.fault import dies_with
from gdbheap.process.frame import Frame


def told_by_the_call(frames: Sequence[Frame], header: int) -> AffectedChunk | None:
    """Return what the call was given where nothing is known of the heap; None where neither its code and its source
    tell, nor libc's own debug information. `header` is what lies in front of a mem."""
    index = passing_frame(frames)
    caller = frames[index] if index is not None and index < len(frames) else None
    if caller is not None and caller.passed:
        return AffectedChunk(None, caller.passed[0].value, how_passed(caller, caller.passed[0]), None)
    given = given_to_malloc(frames, header)
    return None if given is None else AffectedChunk(given.chunk, given.chunk + header, given.how, None)


def passed_subject(heap: CheckedHeap, text: str, frames: Sequence[Frame]) -> AffectedChunk | None:
    """Return what the call was given, as malloc's own arguments or the call itself tell; else the first value in the
    caller's pointers, the registers and the stack for which free (or realloc) dies with this text: a guess. One
    that is no chunk's must be the only such value of the registers: any pointer into a block may look so."""
    told: AffectedChunk | None = None
    guesses: dict[int, AffectedChunk] = {}
    for each in candidates(heap, frames):
        is_guess = each.source not in (OF_MALLOC, OF_CALL)
        if is_guess and told is not None:
            return told
        verdict = verdict_on(heap, text, each.chunk)
        pointer = each.chunk + heap.layout.header
        fits = verdict is not None and text in verdict[0].texts
        subject = AffectedChunk(
            each.chunk, pointer, each.how, verdict[1] if verdict and fits else None, is_guess=is_guess
        )
        if not fits:
            told = subject if each.source == OF_CALL else told
        elif not is_guess or each.source == OF_CALLER or heap.table.row_of(each.chunk) is not None:
            return subject
        elif each.source == OF_REGISTER and heap.view.chunk_at(each.chunk) is not None:
            guesses.setdefault(each.chunk, subject)  # the stack is full of old pointers into blocks
    guess = next(iter(guesses.values())) if len(guesses) == 1 else None
    return told or guess or by_result(heap, frames, lambda chunk: _named(heap, text, chunk))


def _named(heap: CheckedHeap, text: str, chunk: int) -> FreeOutcome | None:
    """Return what the call says of the chunk, None where that is not the text."""
    outcome = verdict_on(heap, text, chunk)
    return outcome if outcome is not None and text in outcome[0].texts else None


def verdict_on(heap: CheckedHeap, text: str, chunk: int) -> FreeOutcome | None:
    """Return what the call that says such texts says of the chunk."""
    topic = topic_of(text)
    if Topic.REALLOC in topic:
        return _what_realloc_says(heap, chunk)
    verdict = what_free_says(heap, chunk)
    if verdict is not None and Topic.MREMAP in topic and verdict[0] == MUNMAP:
        return dies_with(text), verdict[1]
    return verdict


def _what_realloc_says(heap: CheckedHeap, chunk: int) -> FreeOutcome | None:
    """Mirrors __libc_realloc and _int_realloc."""
    layout = heap.layout
    if (chunk + layout.header) % layout.alignment:
        return dies_with("realloc(): invalid pointer"), NotAligned(chunk + layout.header, layout.alignment)
    try:
        raw = heap.words.read(chunk + layout.pointer_size)
        size = raw & ~FLAG_MASK
        if size == 0 and heap.texts.newest < (2, 42):
            return dies_with("realloc(): invalid pointer"), SizeIs(0, False)
        arena = arena_for(heap, chunk)
        if arena is None:
            return None
        if raw <= layout.header or size >= arena.system_mem:
            return dies_with("realloc(): invalid old size"), SizeIs(raw, True)
        behind = heap.words.read(chunk + size + layout.pointer_size)
    except (MemoryFault, OverflowError):
        return None
    if behind <= layout.header or behind & ~FLAG_MASK >= arena.system_mem:
        return dies_with("realloc(): invalid next size"), NextHeader(chunk + size, behind)
    return None
