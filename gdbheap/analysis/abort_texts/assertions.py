"""The assertions of glibc's malloc that fire on a corrupt heap."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ASSERTION = re.compile(
    r"Fatal glibc error: (?:malloc assertion failure in (?P<old>\w+): |(?:\S+/)?malloc\.c:\d+ \((?P<new>\w+)\): assertion failed: )(?P<text>.*)"
)


@dataclass(frozen=True)
class Assertion:
    """An assertion of malloc's: `words` occur in its text."""

    words: str
    function: str
    call: str
    implies: str


ASSERTIONS: tuple[Assertion, ...] = (
    Assertion(
        "old_top == initial_top",
        "sysmalloc",
        "malloc",
        "top's size field is overwritten with a value that is too small or does not end at a page: a write past the end of the last block",
    ),
    Assertion(
        "(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)",
        "sysmalloc",
        "malloc",
        "top's size field has changed while malloc looked at it, or is overwritten",
    ),
    Assertion(
        "chunk_main_arena",
        "_int_malloc",
        "malloc",
        "NON_MAIN_ARENA is set in the size field of a chunk in a large bin: the field is overwritten",
    ),
    Assertion(
        "(unsigned long) (size) >= (unsigned long) (nb)",
        "_int_malloc",
        "malloc",
        "a chunk in a bin is smaller than its bin's sizes: its size field, or the link that leads to it, is overwritten",
    ),
    Assertion("bit != 0", "_int_malloc", "malloc", "the arena's binmap is overwritten"),
    Assertion(
        "arena_for_chunk",
        "malloc, calloc, realloc or memalign",
        "malloc, calloc, realloc or memalign",
        "NON_MAIN_ARENA of the chunk to be handed out, or the header of its heap, is wrong: a free list leads to a chunk that is none of this arena's",
    ),
    Assertion(
        "heap->ar_ptr == av",
        "_int_free",
        "free",
        "the header of the heap (heap_info) that the block lies in is overwritten",
    ),
    Assertion(
        "chunksize_nomask (p) == (0 | PREV_INUSE)",
        "heap_trim",
        "free",
        "the fencepost at the end of the arena's previous heap is overwritten: a write past the end of that heap's last block",
    ),
    Assertion("new_size > 0", "heap_trim", "free", "the end of the arena's previous heap is overwritten"),
    Assertion(
        "!chunk_is_mmapped (oldp)",
        "_int_realloc",
        "realloc",
        "IS_MMAPPED in the block's size field has changed meanwhile",
    ),
    Assertion("tc_idx <", "tcache_put or tcache_get", "malloc or free", "the size field of the block is overwritten"),
    Assertion(
        "attached_threads > 0",
        "arena_get or thread exit",
        "malloc or thread exit",
        "the arena's malloc_state is overwritten",
    ),
)


def find_assertion(message: str) -> tuple[str, str, Assertion | None] | None:
    """Return (function, asserted expression, what is known of it) where the message is one of malloc's own assertions, else None."""
    match = _ASSERTION.match(message.strip())
    if match is None:
        return None
    function, expression = match["old"] or match["new"], match["text"].strip()
    known = next((each for each in ASSERTIONS if each.words in expression), None)
    return function, expression, known
