"""The assertions of glibc's malloc, from 2.31 to 2.43: those that fire on a corrupt heap. What each means is in
sentences/abort_texts.py."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import DiesIn
from gdbheap.lazy import dataclass, regex

_ASSERTION = regex(
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
    call: DiesIn
    race: bool = False


ASSERTIONS: tuple[Assertion, ...] = (
    Assertion("(old_top == initial_top (av) && old_size == 0)", "sysmalloc", DiesIn.MALLOC),
    Assertion("(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)", "sysmalloc", DiesIn.MALLOC, race=True),
    Assertion("((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0", "sysmalloc", DiesIn.MALLOC),
    Assertion("correction >= 0", "sysmalloc", DiesIn.MALLOC, race=True),
    Assertion("((INTERNAL_SIZE_T) chunk2mem (mm) & MALLOC_ALIGN_MASK) == 0", "sysmalloc", DiesIn.MALLOC, race=True),
    Assertion("chunk_main_arena (", "_int_malloc", DiesIn.MALLOC),
    Assertion("(unsigned long) (size) >= (unsigned long) (nb)", "_int_malloc", DiesIn.MALLOC),
    Assertion("bit != 0", "_int_malloc", DiesIn.MALLOC, race=True),
    Assertion("arena_for_chunk", "malloc, calloc, realloc or memalign", DiesIn.ANY_ALLOCATION),
    Assertion("nclears >= 3", "calloc", DiesIn.CALLOC),
    Assertion("newsize >= nb && (((unsigned long)", "_int_memalign", DiesIn.MEMALIGN),
    Assertion("(unsigned long) (newsize) >= (unsigned long) (nb)", "_int_realloc", DiesIn.REALLOC),
    Assertion("!chunk_is_mmapped (oldp)", "_int_realloc", DiesIn.REALLOC, race=True),
    Assertion("chunk_is_mmapped (p)", "munmap_chunk or mremap_chunk", DiesIn.FREE_OR_REALLOC, race=True),
    Assertion("aligned_OK (chunk2mem (p))", "mremap_chunk", DiesIn.REALLOC, race=True),
    Assertion("prev_size (p) == offset", "mremap_chunk", DiesIn.REALLOC, race=True),
    Assertion("(char *) p + size > paligned_mem", "mtrim", DiesIn.MALLOC_TRIM),
    Assertion("<= paligned_mem", "mtrim", DiesIn.MALLOC_TRIM, race=True),
    Assertion("heap->ar_ptr == av", "_int_free", DiesIn.FREE),
    Assertion("chunksize_nomask (p) == (0 | PREV_INUSE)", "heap_trim", DiesIn.FREE),
    Assertion("new_size > 0 && new_size < ", "heap_trim", DiesIn.FREE),
    Assertion("((unsigned long) ((char *) p + new_size) & (", "heap_trim", DiesIn.FREE),
    Assertion("((char *) p + new_size) == ((char *) heap + heap->size)", "heap_trim", DiesIn.FREE),
    Assertion("tc_idx <", "tcache_put or tcache_get", DiesIn.MALLOC_OR_FREE),
    Assertion("replaced_arena->attached_threads > 0", "detach_arena", DiesIn.MALLOC),
    Assertion("a->attached_threads > 0", "__malloc_arena_thread_freeres", DiesIn.THREAD_EXIT),
    Assertion("result->attached_threads == 0", "get_free_list", DiesIn.MALLOC),
    Assertion("p->attached_threads == 0", "remove_from_free_list", DiesIn.MALLOC, race=True),
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
