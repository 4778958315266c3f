"""__abort_msg: the words that glibc wrote down before it aborted, readable with no debug info, live and in a core."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.process.memory import PAGE
from gdbheap.process.process import Process

_LONGEST = 4 * PAGE


def read_abort_message(process: Process, address: int | None) -> str:
    """Return the text, "" where there is none. `address` is that of __abort_msg (None: not known), which points to a struct abort_msg_s: a 32-bit
    size of its mapping, and the text, NUL-terminated."""
    if address is None:
        return ""
    try:
        message = process.words.read(address)
    except MemoryFault:
        return ""
    return _text(process, message + 4).strip() if message else ""


def _text(process: Process, start: int) -> str:
    text = b""
    while len(text) < _LONGEST and b"\0" not in text:
        at = start + len(text)
        try:
            text += process.memory.read(at, PAGE - at % PAGE)
        except MemoryFault:
            break
    return text.partition(b"\0")[0][:_LONGEST].decode("utf-8", "replace")
