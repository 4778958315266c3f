"""Why malloc aborted, for people."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.facts.aborts import CheckImplies
from gdbheap.analysis.invariants.calls import MallocCall, how_entered
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.malloc_aborts.interrupted_before import InterruptedBefore, how_entered_before
from gdbheap.analysis.malloc_aborts.malloc_abort import MallocAbort, cause, how_to_catch
from gdbheap.process.symbols import SymbolAt
from gdbheap.report.report import Line
from gdbheap.sentences.abort_texts import CALLS
from gdbheap.sentences.facts.said import said
from gdbheap.sentences.labelled import labelled

_POINTER_UNKNOWN = (
    "what the caller passed is in no argument, register or stack word that is left: look in the caller's frame"
)


def interrupted_lines(before: InterruptedBefore | None) -> Iterator[Line]:
    """Yield what a signal handler may have done to malloc before."""
    if before is not None:
        yield labelled("perhaps", said(how_entered_before(before)))


def abort_lines(
    heap: CheckedHeap,
    died: MallocAbort,
    symbol_at: SymbolAt,
    again: tuple[MallocCall, MallocCall] | None,
    before: InterruptedBefore | None,
) -> Iterator[Line]:
    """Yield what malloc said, the cause, the check that failed, the chunk. `again` are the two calls where one was
    entered in the middle of the other."""
    yield Line((("", f"{CALLS[died.call]} aborted: "), ("fault", died.message)))
    why = how_entered(*again) if again is not None else cause(heap, died, symbol_at, before)
    if why is not None:
        yield labelled("cause", said(why))
    yield from interrupted_lines(before)
    if died.caller is not None:
        yield labelled("caller", f"frame {died.caller.level}, {died.caller.words}")
    yield labelled("check", f"{died.function}: {said(died.check)}")
    if again is not None:
        return  # what is broken tells of that call, and of no chunk's user
    if why is None and (before is None or not before.has_entered_again):
        yield labelled("means", said(CheckImplies(died.check)))
    yield from _chunk_lines(heap, died)
    if died.pointer is None and died.wants_pointer:
        yield labelled("pointer", _POINTER_UNKNOWN)
    catch = how_to_catch(heap, died, symbol_at)
    if catch and not died.findings:
        yield labelled("catch", catch, "later")


def _chunk_lines(heap: CheckedHeap, died: MallocAbort) -> Iterator[Line]:
    """Yield the chunk that failed the check."""
    how = "" if died.how is None else said(died.how)
    if died.chunk is None:
        if died.evidence is not None:
            yield labelled("chunk", f"not known: {how}")
            yield labelled("", said(died.evidence))
        return
    pointer = f", which the caller passed as {died.pointer:#x}" if died.pointer is not None else ""
    chunk = heap.view.chunk_at(died.chunk)
    is_whole = chunk is not None and chunk.address == died.chunk
    what = f" ({chunk.state.label}, {chunk.size:#x} bytes)" if chunk is not None and is_whole else ""
    yield labelled("chunk", f"{died.chunk:#x}{what}{pointer}: {how}")
    if died.own_evidence is not None:
        yield labelled("", said(died.own_evidence))
