"""Which chunk malloc died of: its checks look before anything is changed, so that the check can be made again on
every candidate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gdbheap.analysis.invariants.check_links import head_slot
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.invariants.followed import head_taken_from
from gdbheap.analysis.malloc_aborts.emptied_lists import of_emptied_list
from gdbheap.analysis.malloc_aborts.passed_subject import is_named, passed_subject, verdict_on
from gdbheap.analysis.malloc_aborts.subject import AffectedChunk
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.heap_view import Bin
from gdbheap.process.frame import Frame

# What the findings that explain a text are about: a pattern of their message, or of their field. For texts that malloc
# says of a chunk in a list, and not of the pointer that it was given.
_RELATED = (
    (r"unaligned tcache|in tcache", r"tcache", r"next|entries.*"),
    (r"unsorted", r"unsorted|corrupted size vs", r"(fd|bk)$"),
    (r"double-linked list \(not small\)|nextsize", r"not small", r".*_nextsize"),
    (r"double-linked list|double linked list|smallbin", r"linked list", r"(fd|bk)$"),
    (r"corrupted size vs. prev_size", r"prev_size|prev|invalid (old )?size", r"prev_size|size"),
    (r"fastbin|\(fast\)|malloc_consolidate", r"fast|prev", r"fd|fastbinsY.*"),
    (r"top|break adjusted", r"top|break", r"brk"),
    (r"chunk_main_arena|arena_for_chunk", r"arena", r"-"),
    (r"\(nb\)|>= nb|nclears|paligned_mem|attached|ar_ptr", r"size|ar_ptr|attached", r"size"),
    (r"new_size|PREV_INUSE\)", r"fencepost", r"-"),
)


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
# Assertions that the size of a chunk from a bin fails.
_SIZES = re.compile(r"\(newsize\) >=|newsize >= nb|nclears")


def find_subject(
    heap: CheckedHeap, text: str, frames: Sequence[Frame], findings: Sequence[Finding]
) -> AffectedChunk | None:
    """Return the chunk that `text` (an abort text, or an asserted expression) is about; None where nothing fits it."""
    gone = of_emptied_list(heap, text) or _under_debugging(heap, frames)
    if gone is not None:
        return gone
    passed = passed_subject(heap, text, frames)
    broken = _handed_out_before(heap, text) or _by_findings(heap, text, findings)
    if passed is not None and _says_of_the_pointer(text):
        return passed
    if broken is not None:
        if passed is None:
            return broken
        return replace(broken, pointer=passed.pointer, is_guess=passed.is_guess)
    return passed if passed is not None and passed.evidence else _by_place(heap, text)


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
            how = f"the argument of {frame.function}"
            return AffectedChunk(
                chunk.address, pointer, how, f"it has {chunk.size:#x} bytes, and the debugging mode's own bytes in them"
            )
    return None


def _says_of_the_pointer(text: str) -> bool:
    """Whether the check is one of the chunk that was passed to free or realloc, not of one met in a list."""
    return text.startswith(("free(): invalid", "double free", "munmap", "mremap", "realloc()")) or text in (
        "free(): double free detected in tcache 2",
        "corrupted size vs. prev_size while consolidating",
    )


def _handed_out_before(heap: CheckedHeap, text: str) -> AffectedChunk | None:
    """A misaligned head of a list: the link came from the block that was handed out before, where it still stands."""
    if not re.search(r"malloc\(\): unaligned (tcache|fastbin) chunk detected( [23])?$", text):
        return None
    for each in heap.view.bins:
        if each.kind in ("tcache", "fastbin") and each.fault is not None and not each.chunks:
            chunk = _last_taken(heap, each)
            if chunk is not None:
                how = "its first word is still the link that became the head of the list"
                return AffectedChunk(chunk, None, how, each.fault.detail)
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
    exact = [each for each in findings if is_named(text, each.message)]
    related = []
    for pattern, message, field in _RELATED:
        if re.search(pattern, text):
            related = [each for each in findings if re.search(message, each.message) or re.match(field, each.field)]
            break
    for each in (*exact, *related, *(findings[:1] if len(findings) == 1 else ())):
        if "not small" in text and "(!prev)" in each.message:
            # unlink_chunk has taken the chunk out of its list before it looks at the nextsize links: no list has it
            # now.
            row = heap.table.row_at(each.address - 1)
            if row is not None:
                return AffectedChunk(
                    int(heap.table.address[row]), None, "it is free, and in no list any more", each.detail
                )
        below = heap.table.row_at(each.address - 1)
        if "next size" in text and below is not None:
            # The broken header is the one behind the block that was passed.
            chunk = int(heap.table.address[below])
            verdict = verdict_on(heap, text, chunk)
            if verdict is not None and is_named(text, verdict[0]):
                return AffectedChunk(chunk, chunk + heap.layout.header, "the header behind it is broken", verdict[1])
        if heap.table.row_of(each.address) is None and heap.view.chunk_at(each.address) is None:
            return AffectedChunk(None, None, "the check is of an arena or a heap, not of one chunk", each.detail, each)
        if _SIZES.search(text):
            # The chunk that lies about its size is the one below what no chunk begins at.
            return _too_small(heap, each)
        pointer = each.address + heap.layout.header if _says_of_the_pointer(text) else None
        return AffectedChunk(each.address, pointer, "`heap check` finds it broken", each.detail, each)
    return None


def _too_small(heap: CheckedHeap, each: Finding) -> AffectedChunk:
    """Return the chunk whose size is less than its bin's, which the finding is about, or ends right before."""
    below = heap.table.row_at(each.address - 1)
    if below is None or "size" not in each.field or heap.table.state[below] != State.IN_USE:
        return AffectedChunk(each.address, None, "`heap check` finds it broken", each.detail, each)
    chunk = int(heap.table.address[below])
    how = "it was taken from a bin of larger chunks, and the chunks do not go on where its size says"
    return AffectedChunk(chunk, None, how, each.detail, each)


def _by_place(heap: CheckedHeap, text: str) -> AffectedChunk | None:
    """Return the subject that needs no search: top, or the first of the only fastbin."""
    if text == "double free or corruption (top)" and len(heap.view.arenas) == 1:
        top = heap.view.arenas[0].top
        return AffectedChunk(top, top + heap.layout.header, "it is top of the only arena", "the chunk is top")
    if text == "double free or corruption (fasttop)":
        heads = [each.chunks[0] for each in heap.view.bins if each.kind == "fastbin" and each.chunks]
        if len(heads) == 1:
            return AffectedChunk(
                heads[0],
                heads[0] + heap.layout.header,
                "it is the first of the only fastbin",
                "it is the first of its fastbin",
            )
    return None
