"""__abort_msg: the words that glibc wrote down before it aborted, readable with no debug info, live and in a core."""

from __future__ import annotations

import re

from gdbheap.errors import MemoryFault
from gdbheap.lazy import regex
from gdbheap.process.memory import text_at
from gdbheap.process.process import Process

_LONGEST = 1 << 14
# Where no symbol leads to it: so many pages are looked at, of mappings of their own or merged with neighbours.
_MOST_PROBES = 1 << 14
# What glibc begins or ends its last words with: of those of its checks, of assert() and of malloc.
_LAST_WORDS = regex(
    r"\*\*\* .* \*\*\*|Fatal glibc error: |.*[Aa]ssertion .*failed|[a-z_]+\(\): |(corrupted|malloc|free|realloc)[ (:_]",
    re.DOTALL,
)


def read_abort_message(process: Process, address: int | None) -> str:
    """Return the text, "" where there is none. `address` is that of __abort_msg (None: not known), which points to a
    struct abort_msg_s: a 32-bit size of its mapping, and the text, NUL-terminated."""
    if address is None:
        return ""
    try:
        message = process.words.read(address)
    except MemoryFault:
        return ""
    return _text(process, message + 4).strip() if message else ""


def find_abort_message(process: Process) -> str:
    """Return the text where __abort_msg cannot be found, as in a stripped program with libc linked in; "" where there
    is none.

    The struct has a mapping of its own (__libc_message(), __assert_fail_base()): its size, in whole pages, comes first.
    """
    probes = 0
    for vma in process.address_space:
        if vma.path or not vma.writable or vma.shared:
            continue
        for page in range(vma.start, vma.end, process.page_size):
            probes += 1
            if probes > _MOST_PROBES:
                return ""
            found = _struct_at(process, page)
            if found and _LAST_WORDS.match(found):
                return found
    return ""


def _struct_at(process: Process, page: int) -> str:
    """Return the text of the struct abort_msg_s that a page begins with, "" where it is none."""
    try:
        size = int.from_bytes(process.memory.read(page, 4), "little")
    except MemoryFault:
        return ""
    if not process.page_size <= size <= _LONGEST or size % process.page_size:
        return ""
    text = _text(process, page + 4)
    is_text = text.isprintable() or text.endswith("\n")
    return text.strip() if is_text and process.page_after(len(text.encode()) + 1) == size else ""


def _text(process: Process, address: int) -> str:
    return text_at(process.memory, address, _LONGEST).decode("utf-8", "replace")
