"""The assertions of glibc's malloc, from 2.31 to 2.43: those that fire on a corrupt heap, and what each means."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ASSERTION = re.compile(
    r"Fatal glibc error: (?:malloc assertion failure in (?P<old>\w+): |(?:\S+/)?(?:malloc|arena)\.c:\d+ "
    r"\((?P<new>\w+)\): assertion failed: )"
    r"(?P<text>.*)"
)


@dataclass(frozen=True)
class Assertion:
    """An assertion of malloc's: `words` occur in its text. `race` where an earlier check of the same call keeps it
    from failing, unless another thread writes in between."""

    words: str
    function: str
    call: str
    implies: str
    race: bool = False


_MEANWHILE = (
    "something has changed between two looks of one call: another thread writes to the heap's structures "
    "without malloc's lock"
)
_FENCEPOST = (
    "the fenceposts at the end of the arena's previous heap are overwritten: a write past the end of that "
    "heap's last block"
)
_COUNT = "the arena's malloc_state is overwritten: its count of threads is wrong"
_BINNED = (
    "a chunk in a bin is smaller than its bin's sizes: its size field, or the link that leads to it, is overwritten"
)

ASSERTIONS: tuple[Assertion, ...] = (
    Assertion(
        "(old_top == initial_top (av) && old_size == 0)",
        "sysmalloc",
        "malloc",
        "top's size field is overwritten with a value that is too small or does not end at a page: a write past the "
        "end of the last block",
    ),
    Assertion("(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)", "sysmalloc", "malloc", _MEANWHILE, True),
    Assertion(
        "((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0",
        "sysmalloc",
        "malloc",
        "somebody else has moved brk (sbrk) by a size that is no multiple of malloc's alignment, in an arena that is "
        "not contiguous any more",
    ),
    Assertion("correction >= 0", "sysmalloc", "malloc", _MEANWHILE, True),
    Assertion(
        "((INTERNAL_SIZE_T) chunk2mem (mm) & MALLOC_ALIGN_MASK) == 0",
        "sysmalloc",
        "malloc",
        "mmap gave memory that does not begin at a page",
        True,
    ),
    Assertion(
        "chunk_main_arena (",
        "_int_malloc",
        "malloc",
        "NON_MAIN_ARENA is set in the size field of a chunk in a large bin: the field is overwritten",
    ),
    Assertion("(unsigned long) (size) >= (unsigned long) (nb)", "_int_malloc", "malloc", _BINNED),
    Assertion("bit != 0", "_int_malloc", "malloc", "the arena's binmap has changed while malloc looked at it", True),
    Assertion(
        "arena_for_chunk",
        "malloc, calloc, realloc or memalign",
        "malloc, calloc, realloc or memalign",
        "NON_MAIN_ARENA of the chunk to be handed out, or the header of its heap, is wrong: a free list leads to a "
        "chunk that is not this arena's",
    ),
    Assertion("nclears >= 3", "calloc", "calloc", _BINNED),
    Assertion("newsize >= nb && (((unsigned long)", "_int_memalign", "memalign", _BINNED),
    Assertion("(unsigned long) (newsize) >= (unsigned long) (nb)", "_int_realloc", "realloc", _BINNED),
    Assertion("!chunk_is_mmapped (oldp)", "_int_realloc", "realloc", _MEANWHILE, True),
    Assertion("chunk_is_mmapped (p)", "munmap_chunk or mremap_chunk", "free or realloc", _MEANWHILE, True),
    Assertion("aligned_OK (chunk2mem (p))", "mremap_chunk", "realloc", _MEANWHILE, True),
    Assertion("prev_size (p) == offset", "mremap_chunk", "realloc", _MEANWHILE, True),
    Assertion(
        "(char *) p + size > paligned_mem",
        "mtrim",
        "malloc_trim",
        "the size field of a free chunk is overwritten with a value so large that the chunk would end behind the "
        "address space",
    ),
    Assertion("<= paligned_mem", "mtrim", "malloc_trim", "a free chunk lies at the end of the address space", True),
    Assertion(
        "heap->ar_ptr == av",
        "_int_free",
        "free",
        "the header of the heap (heap_info) that the arena's top lies in is overwritten",
    ),
    Assertion("chunksize_nomask (p) == (0 | PREV_INUSE)", "heap_trim", "free", _FENCEPOST),
    Assertion("new_size > 0 && new_size < ", "heap_trim", "free", _FENCEPOST),
    Assertion("((unsigned long) ((char *) p + new_size) & (", "heap_trim", "free", _FENCEPOST),
    Assertion("((char *) p + new_size) == ((char *) heap + heap->size)", "heap_trim", "free", _FENCEPOST),
    Assertion("tc_idx <", "tcache_put or tcache_get", "malloc or free", "the size field of the block is overwritten"),
    Assertion("replaced_arena->attached_threads > 0", "detach_arena", "malloc", _COUNT),
    Assertion("a->attached_threads > 0", "__malloc_arena_thread_freeres", "thread exit", _COUNT),
    Assertion("result->attached_threads == 0", "get_free_list", "malloc", _COUNT),
    Assertion("p->attached_threads == 0", "remove_from_free_list", "malloc", _COUNT, True),
)


def find_assertion(message: str) -> tuple[str, str, Assertion | None] | None:
    """Return (function, asserted expression, what is known of it) where the message is one of malloc's own assertions,
    else None.

    The assertions of a program are in other words, even where its file is called malloc.c.
    """
    match = _ASSERTION.match(message.strip())
    if match is None:
        return None
    expression = match["text"].strip()
    return match["old"] or match["new"], expression, known_assertion(expression)


def known_assertion(expression: str) -> Assertion | None:
    """Return the entry of the table for an asserted expression, or None."""
    return next((each for each in ASSERTIONS if each.words in expression), None)
