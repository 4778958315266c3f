"""Why malloc aborted: from its message and the frames to the check that failed, the chunk that failed it, and the pointer that was passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdbheap.analysis.abort_texts.assertions import find_assertion
from gdbheap.analysis.abort_texts.table import TEXTS, find_text
from gdbheap.analysis.abort_texts.text import AbortText
from gdbheap.analysis.corruption.abort_subjects import Subject, find_subject
from gdbheap.analysis.corruption.checked_heap import CheckedHeap
from gdbheap.analysis.corruption.finding import Finding
from gdbheap.errors import MemoryFault
from gdbheap.malloc.abort_message import read_abort_message
from gdbheap.malloc.layout import Layout
from gdbheap.process.frame import Frame, is_of_libc
from gdbheap.process.process import Process

_PRINTS = ("malloc_printerr", "__malloc_assert", "__libc_message", "__libc_message_impl", "__assert_fail")


@dataclass(frozen=True)
class MallocAbort:
    """An abort of malloc's own, explained.

    `message` is what it said; `text` the entry of the table (None for an assertion, whose `expression` is told); `function` said it, in a
    call of `call`; `condition` is the check that failed, `implies` what that means for the program. `chunk` is the chunk that failed it, `pointer` what
    the caller passed (None: not found, or none), `how` tells how they were found, `evidence` is the check in this chunk's own numbers. `caller` is the
    innermost frame outside libc. `findings` are what `heap check` says of the chunk, and of what touches it.
    """

    message: str
    text: AbortText | None
    expression: str
    function: str
    call: str
    condition: str
    implies: str
    chunk: int | None
    pointer: int | None
    how: str
    evidence: str
    caller: Frame | None
    findings: tuple[Finding, ...]


def abort_message(process: Process, layout: Layout) -> str | None:
    """Return what the process said when it aborted (libc's __abort_msg), without its line end; None where there is nothing, or it is not known.

    malloc's assertions are there from glibc 2.36 on only; other libraries' and the program's own assertions are there too.
    """
    return read_abort_message(process, layout.abort_msg) or None


def message_in_frames(frames: Sequence[Frame], process: Process) -> str | None:
    """Return what malloc_printerr or malloc's assert was called with, where the arguments can be read; an assertion in the words of 2.36
    (before, its text went to standard error alone)."""
    for frame in frames:
        if not frame.function.startswith(_PRINTS):
            continue
        said, asserted = _text_at(frame, "str", process), _text_at(frame, "assertion", process)
        if find_text(said) is not None:
            return said
        if asserted:
            return f"Fatal glibc error: malloc assertion failure in {_text_at(frame, 'function', process) or 'malloc'}: {asserted}"
    return None


def _text_at(frame: Frame, argument: str, process: Process) -> str:
    """Return the text that an argument points to, "" where there is none."""
    address = frame.arguments.get(argument, 0)
    for size in (256, 64, 16):
        try:
            return process.memory.read(address, size).split(b"\0")[0].decode("utf-8", "replace")
        except MemoryFault:
            continue
    return ""


def explain_abort(
    heap: CheckedHeap, message: str, frames: Sequence[Frame], findings: Sequence[Finding]
) -> MallocAbort | None:
    """Return the abort explained; None where the message is none of malloc's.

    `frames` are the aborting thread's, the innermost first (() where they are not known); `findings` what check() found.
    """
    text, assertion = find_text(message), find_assertion(message)
    if text is None and assertion is None:
        text = _in_older_words(message)
    if text is not None:
        function, call, condition, implies, expression = text.function, text.call, text.condition, text.implies, ""
    elif assertion is not None:
        function, expression, known = assertion
        call = known.call if known else "malloc or free"
        condition, implies = f"assert ({expression})", known.implies if known else "the heap is corrupt"
    else:
        return None
    subject = find_subject(heap, text.text if text else expression, frames, findings) or Subject(None, None, "", "")
    return MallocAbort(
        message,
        text,
        expression,
        function,
        call,
        condition,
        implies,
        subject.chunk,
        subject.pointer,
        subject.how,
        subject.evidence,
        next((frame for frame in frames if frame.function and not is_of_libc(frame)), None),
        tuple(each for each in findings if subject.chunk is not None and concerns(heap, each, subject.chunk)),
    )


def concerns(heap: CheckedHeap, each: Finding, chunk: int) -> bool:
    """Whether a finding is about the chunk at this address, or about the header behind it."""
    row = heap.table.row_of(chunk)
    end = chunk + (int(heap.table.size[row]) if row is not None else 0) + heap.layout.header
    return chunk in (each.address, *each.suspects) or chunk <= each.where < end


def _in_older_words(message: str) -> AbortText | None:
    """Return the text inside "*** Error in `PROGRAM': TEXT: 0x... ***", which glibc wrote to 2.26."""
    if not message.startswith("*** Error in"):
        return None
    return next((each for each in sorted(TEXTS, key=lambda each: -len(each.text)) if each.text in message), None)
