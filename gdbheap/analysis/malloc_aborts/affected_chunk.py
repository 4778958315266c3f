"""Which chunk malloc died of: its checks look before anything is changed, so that the check can be made again on
every candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gdbheap.analysis.abort_texts.topic import Topic, related_to, topic_of
from gdbheap.analysis.facts.free_checks import IsTop
from gdbheap.analysis.facts.passed import ArgumentOf, DebuggingBytes, FoundBy, ResultOfCall, Way
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.invariants.followed import head_taken_from
from gdbheap.analysis.invariants.single_links import head_slot
from gdbheap.analysis.malloc_aborts.emptied_lists import of_emptied_list
from gdbheap.analysis.malloc_aborts.passed_subject import passed_subject, verdict_on
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.analysis.suspects.run_over import run_across
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.process.frame import Frame

# The doors of the debugging modes, to glibc 2.33 hooks, and what they call the pointer that they are given.
_DEBUGGING = (
    *(
        "free_check",
        "realloc_check",
        "malloc_check_get_size",
        "free_mcheck",
        "realloc_mcheck",
        "freehook",
        "reallochook",
    ),
    *("__debug_free", "__debug_realloc"),
)
_PASSED = ("mem", "ptr", "oldmem")


def find_subject(
    heap: CheckedHeap, text: str, frames: Sequence[Frame], findings: Sequence[Finding]
) -> AffectedChunk | None:
    """Return the chunk that `text` (an abort text, or an asserted expression) is about; None where nothing fits it."""
    gone = of_emptied_list(heap, text) or _under_debugging(heap, frames)
    if gone is not None:
        return gone
    passed = passed_subject(heap, text, frames)
    broken = _handed_out_before(heap, text) or _by_findings(heap, text, findings)
    is_passed = passed is not None and Topic.PASSED_CHUNK in topic_of(text)
    if passed is not None and is_passed and not (broken is not None and _is_outdone(heap, text, passed, broken)):
        return passed
    if broken is not None and is_passed:
        return broken
    if broken is not None:
        if passed is None:
            return broken
        return replace(broken, pointer=passed.pointer, is_guess=passed.is_guess)
    return passed if passed is not None and passed.evidence else _by_place(heap, text)


def _is_outdone(heap: CheckedHeap, text: str, passed: AffectedChunk, broken: AffectedChunk) -> bool:
    """Whether what `heap check` finds broken is more probably the chunk that was passed: what else is known has no
    value, or only happens to fit. (The code may tell that it was none of a block: that no header explains.)"""
    if isinstance(passed.how, ResultOfCall) and passed.how.added % heap.layout.alignment:
        return False
    if passed.pointer is None:
        return True
    is_elsewhere = passed.chunk is not None and heap.table.row_of(passed.chunk) is None
    return passed.is_guess and is_elsewhere and broken.finding is not None and broken.finding.says(text)


def _under_debugging(heap: CheckedHeap, frames: Sequence[Frame]) -> AffectedChunk | None:
    """Return the block that MALLOC_CHECK_ or mcheck() looked at: their checks are of their own bytes around it,
    which no other check tells."""
    for frame in frames:
        if frame.function not in _DEBUGGING:
            continue
        pointer = next((frame.arguments[name] for name in _PASSED if name in frame.arguments), 0)
        if not pointer and "p" in frame.arguments:
            pointer = frame.arguments["p"] + heap.layout.header
        chunk = heap.view.chunk_at(pointer) if pointer else None
        if chunk is not None:
            return AffectedChunk(chunk.address, pointer, ArgumentOf("", frame.function), DebuggingBytes(chunk.size))
    return None


def _handed_out_before(heap: CheckedHeap, text: str) -> AffectedChunk | None:
    """A misaligned head of a list: the link came from the block that was handed out before, where it still stands."""
    if Topic.UNALIGNED_HEAD not in topic_of(text):
        return None
    for each in heap.view.bins:
        if each.kind in ("tcache", "fastbin") and each.fault is not None and not each.chunks:
            chunk = _last_taken(heap, each)
            if chunk is not None:
                return AffectedChunk(chunk, None, FoundBy(Way.BECAME_HEAD), each.fault.detail)
    return None


def _last_taken(heap: CheckedHeap, each: Bin) -> int | None:
    """Return the block in use, of the list's size, whose first word leads to where the list's head leads."""
    try:
        taken = head_taken_from(heap, each, heap.words.read(head_slot(heap, each)))
    except MemoryFault:
        return None
    return None if taken is None else taken.owner


def _by_findings(heap: CheckedHeap, text: str, findings: Sequence[Finding]) -> AffectedChunk | None:
    """Return the subject of the finding that explains the text: one in the same words, else one about the same
    thing."""
    exact = [each for each in findings if each.says(text)]
    related = [each for each in findings if each.invariant in related_to(text)]
    topic = topic_of(text)
    for each in (*exact, *related, *(findings[:1] if len(findings) == 1 else ())):
        if Topic.SIZE_RING in topic and each.invariant is Invariant.PREV_INUSE:
            # unlink_chunk has taken the chunk out of its list before it looks at the nextsize links: no list has it
            # now.
            row = heap.table.row_at(each.address - 1)
            if row is not None:
                return AffectedChunk(int(heap.table.address[row]), None, FoundBy(Way.IN_NO_LIST), each.detail)
        below = heap.table.row_at(each.address - 1)
        if Topic.NEXT_SIZE in topic and below is not None:
            # The broken header is the one behind the block that was passed.
            chunk = int(heap.table.address[below])
            verdict = verdict_on(heap, text, chunk)
            if verdict is not None and text in verdict[0].texts:
                return AffectedChunk(chunk, chunk + heap.layout.header, FoundBy(Way.NEXT_HEADER), verdict[1])
        is_mmapped = Topic.PASSED_CHUNK in topic and each.field in ("size", "prev_size")
        if not is_mmapped and heap.table.row_of(each.address) is None and heap.view.chunk_at(each.address) is None:
            return AffectedChunk(None, None, FoundBy(Way.OF_ARENA), each.detail, each)
        if Topic.TOO_SMALL in topic:
            # The chunk that lies about its size is the one below what no chunk begins at.
            return _too_small(heap, each)
        if Topic.PASSED_CHUNK in topic:
            return _passed_by_finding(heap, text, each)
        return AffectedChunk(each.address, None, FoundBy(Way.BY_CHECK), each.detail, each)
    return None


def _passed_by_finding(heap: CheckedHeap, text: str, each: Finding) -> AffectedChunk:
    """Return the chunk of a finding as the one that was passed, where the call would have said so of it. In a stretch
    of broken headers it may be another one's."""
    verdict, row = verdict_on(heap, text, each.address), heap.table.row_of(each.address)
    is_broken = row is not None and bool(heap.gap[row])
    is_another = is_broken and (verdict is None or text not in verdict[0].texts)
    if is_another or _may_be_another(heap, each):
        return AffectedChunk(None, None, FoundBy(Way.IN_STRETCH), each.detail, each)
    pointer = each.address + heap.layout.header
    return AffectedChunk(each.address, pointer, FoundBy(Way.BY_CHECK), each.detail, each, is_guess=is_broken)


def _may_be_another(heap: CheckedHeap, each: Finding) -> bool:
    """Whether the chunk that was passed may be another than the one that the finding is about: malloc's own is passed
    to nobody, and what runs over this header may have run over those behind it."""
    row = heap.table.row_of(each.address)
    if row is None or heap.table.state[row] == State.MALLOC_OWNED:
        return row is not None
    if not heap.gap[row]:
        return False
    word = heap.layout.pointer_size
    run = run_across(heap, max(each.address - heap.layout.header, 0), each.address + word)
    return run is not None and run.length > heap.layout.min_size + word


def _too_small(heap: CheckedHeap, each: Finding) -> AffectedChunk:
    """Return the chunk whose size is less than its bin's, which the finding is about, or ends right before."""
    below = heap.table.row_at(each.address - 1)
    if below is None or "size" not in each.field or heap.table.state[below] != State.IN_USE:
        return AffectedChunk(each.address, None, FoundBy(Way.BY_CHECK), each.detail, each)
    chunk = int(heap.table.address[below])
    return AffectedChunk(chunk, None, FoundBy(Way.OF_LARGER_BIN), each.detail, each)


def _by_place(heap: CheckedHeap, text: str) -> AffectedChunk | None:
    """Return the subject that needs no search: top, or the first of the only fastbin."""
    topic = topic_of(text)
    if Topic.IS_TOP in topic and len(heap.view.arenas) == 1:
        top = heap.view.arenas[0].top
        return AffectedChunk(top, top + heap.layout.header, FoundBy(Way.TOP_OF_ONLY_ARENA), IsTop())
    if Topic.IS_FASTTOP in topic:
        heads = [each.chunks[0] for each in heap.view.bins if each.kind == "fastbin" and each.chunks]
        if len(heads) == 1:
            mem = heads[0] + heap.layout.header
            return AffectedChunk(heads[0], mem, FoundBy(Way.FIRST_OF_FASTBIN), None)
    return None
