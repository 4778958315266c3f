"""What `heap check` found broken, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.suspects.diagnosis import Diagnosis
from gdbheap.analysis.suspects.pointer_places import PointerPlace, holders
from gdbheap.glibc.naming import place_of
from gdbheap.process.symbols import SymbolAt
from gdbheap.report.report import Line
from gdbheap.sentences.facts.aborts import field_holds
from gdbheap.sentences.facts.said import said
from gdbheap.sentences.labelled import labelled

# So many broken fields of one kind, one after the other, are told in two lines.
_FEWEST_FOLDED = 4


def diagnosis_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    """Yield the fault, the field, the call that dies of it, the probable writer."""
    each, writer = diagnosis.finding, diagnosis.writer
    sure = "may be transient: " if each.transient else ""
    yield Line((("address", f"{each.address:#x}"), ("", "  "), ("fault", f"{sure}{said(each.message)}")))
    if each.field:
        yield labelled("field", field_holds(each.detail))
        yield labelled("must be", said(each.must))
        if each.why is not None:
            yield labelled("why", said(each.why))
    else:
        yield labelled("field", "" if each.why is None else said(each.why))
    if each.call is not None:
        yield labelled("dies", said(each.call))
    if writer.fact is not None:
        yield labelled("writer", said(writer.fact))


def pointer_lines(heap: CheckedHeap, symbol_at: SymbolAt, diagnosis: Diagnosis) -> Iterator[Line]:
    """Yield who still points into the freed block that was written to."""
    writer = diagnosis.writer
    chunk = heap.view.chunk_at(writer.chunk) if writer.kind == "dangling" and writer.chunk is not None else None
    if chunk is None:
        return
    for each in holders(heap.process, heap.view, chunk.address + heap.layout.header, chunk.end):
        where = f"at {each.where:#x}, " if each.where else ""
        yield labelled("", f"{each.pointer:#x} is still held {where}in {_place(heap, symbol_at, each)}")


def _place(heap: CheckedHeap, symbol_at: SymbolAt, place: PointerPlace) -> str:
    """Return what people call the place."""
    if place.register:
        return f"register {place.register} of thread {place.thread}"
    chunk = place.chunk
    if chunk is not None and chunk.state.is_free:
        return f"the free chunk at {chunk.address:#x} ({place_of(heap.view, chunk)})"
    if chunk is not None:
        mem = chunk.address + heap.layout.header
        return f"the block at {mem:#x} of {chunk.size:#x}, {place.where - mem:#x} bytes in"
    if place.thread is not None:
        return f"the stack of thread {place.thread}, {place.above_sp:#x} bytes above its stack pointer"
    symbol, vma = symbol_at(place.where), heap.process.address_space.find(place.where)
    return str(symbol) if symbol is not None else vma.path if vma is not None and vma.path else "an anonymous mapping"


def catching_lines(diagnosis: Diagnosis) -> Iterator[Line]:
    """Yield what else may be wrong, and how to catch the write."""
    if diagnosis.finding.suspects:
        suspects = ", ".join(f"{suspect:#x}" for suspect in diagnosis.finding.suspects)
        yield labelled("or", f"the size field of {suspects} is the wrong one")
    for index, line in enumerate(diagnosis.commands):
        yield labelled("" if index else "catch", line, "later")


def further_lines(findings: Sequence[Finding]) -> Iterator[Line]:
    """Yield the further broken fields of one chunk, arena or tcache, a line each: most often the same write has broken
    them. Many of one kind are one line."""
    for _, group in groupby(findings, key=lambda each: (each.invariant, each.message, each.transient)):
        several = tuple(group)
        shown = several if len(several) < _FEWEST_FOLDED else several[:1]
        yield from (labelled("and", said(each.detail)) for each in shown)
        if len(shown) < len(several):
            yield labelled("and", _folded(several[len(shown) :]))


def _folded(findings: Sequence[Finding]) -> str:
    first, last = findings[0], findings[-1]
    held = (
        f", each {first.held:#x}" if first.held is not None and {each.held for each in findings} == {first.held} else ""
    )
    ends = f"{first.field} at {first.where:#x} to {last.field} at {last.where:#x}"
    return f"{len(findings):,} more in the same way: {ends}{held} (JSON has each)"
