"""What malloc said when it aborted: from __abort_msg, else from the frames' arguments, else from what the dying
thread's stack points to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from gdbheap.analysis.abort_texts.assertions import find_assertion, known_assertion
from gdbheap.analysis.abort_texts.table import TEXTS, find_text
from gdbheap.analysis.abort_texts.text import AbortText
from gdbheap.analysis.call_stacks.whose_code import ABORT, is_machinery
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass
from gdbheap.process.frame import Frame
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process

_PRINTS = (
    "malloc_printerr",
    "__malloc_assert",
    "__libc_message",
    "__libc_assert_fail",
    "__assert_fail",
    "__libc_fatal",
)
# How much of the dying thread's stack is looked through, and how long a text is.
_MOST_STACK = 8192
_LONGEST = 256


@dataclass(frozen=True)
class AbortMessage:
    """`message` is what was said, in the words of the newer releases; `certain` is False where it was found on the
    stack, and may be old."""

    message: str
    certain: bool


def last_words(process: Process, message: str, frames: Sequence[Frame], dying: bool) -> AbortMessage | None:
    """Return what malloc said before the thread with these frames aborted, or None where it is not malloc that gave up.

    `message` is __abort_msg's text ("" where there is none): glibc to 2.35 does not write malloc's assertions there,
    and no glibc writes anything where it gets no memory for it. `dying` where SIGABRT stopped the thread: its stack
    is only looked through then.
    """
    if called_abort(frames):
        return None
    if message:
        return AbortMessage(message, True) if is_mallocs(message) else None
    said = _in_frames(process, frames)
    if said:
        return AbortMessage(said, True)
    if (
        frames
        and dying
        and not any(frame.function.startswith(("__assert_fail", "__GI___assert_fail")) for frame in frames)
    ):
        return next((AbortMessage(each, False) for each in _on_the_stack(process, frames[0])), None)
    return None


def called_abort(frames: Sequence[Frame]) -> bool:
    """Whether the program (or a library other than libc) called abort() itself. What __abort_msg holds then is an
    older story."""
    for frame, caller in zip(frames, frames[1:]):
        if frame.function in ABORT:
            return not is_machinery(caller) and bool(caller.function or caller.library)
    return False


def is_mallocs(message: str) -> bool:
    """Whether a message is one of malloc's own."""
    return find_text(message) is not None or find_assertion(message) is not None or in_older_words(message) is not None


def in_older_words(message: str) -> AbortText | None:
    """Return the text inside "*** Error in `PROGRAM': TEXT: 0x... ***", which glibc wrote to 2.26."""
    if not message.startswith("*** Error in"):
        return None
    return next((each for each in sorted(TEXTS, key=lambda each: -len(each.text)) if each.text in message), None)


def _in_frames(process: Process, frames: Sequence[Frame]) -> str:
    """Return what malloc_printerr or malloc's assert was called with, where the arguments can be read, else ""."""
    for frame in frames:
        if not frame.function.replace("__GI_", "").startswith(_PRINTS):
            continue
        said = _argument(frame, "str", process) or _argument(frame, "message", process)
        if find_text(said) is not None:
            return said
        asserted = _argument(frame, "assertion", process)
        if known_assertion(asserted) is not None:
            return _as_assertion(asserted, _argument(frame, "function", process))
    return ""


def _as_assertion(expression: str, function: str = "") -> str:
    """Return an assertion in the words of glibc 2.36; before, they went to standard error alone."""
    known = known_assertion(expression)
    name = function or (known.function if known is not None else "")
    return f"Fatal glibc error: malloc assertion failure in {name}: {expression}"


def _argument(frame: Frame, name: str, process: Process) -> str:
    return _text(process, frame.arguments.get(name, 0))


def _on_the_stack(process: Process, frame: Frame) -> Iterator[str]:
    """Yield each text of malloc's that a register or a word of the stack points to, the innermost first."""
    pointer_size = process.pointer_size
    values = [*frame.registers.values()]
    space = process.address_space
    stack = space.find(frame.stack_pointer)
    if stack is not None:
        start = frame.stack_pointer & -pointer_size
        with suppress(MemoryFault):
            values += process.words.read_many(start, min(_MOST_STACK, stack.end - start) // pointer_size)
    for value in dict.fromkeys(values):
        vma = space.find(value)
        # Texts of a library's, or of a program's that has it linked in.
        if vma is None or "w" in vma.permissions or not vma.path:
            continue
        said = _text(process, value)
        if find_text(said) is not None:
            yield said
        elif said and known_assertion(said) is not None:
            yield _as_assertion(said)


def _text(process: Process, address: int) -> str:
    """Return the text at an address, "" where there is none."""
    text = text_at(process.memory, address, _LONGEST) if address else b""
    return text.decode("ascii", "replace") if len(text) < _LONGEST else ""
