"""The texts that malloc, and the calls that look over the whole heap, abort with, from glibc 2.31 to 2.43, written from
the behaviour of each release."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import AbortText, DiesIn

MALLOC_TEXTS: tuple[AbortText, ...] = (
    AbortText("malloc(): unaligned tcache chunk detected", DiesIn.MALLOC, "tcache_get", first=(2, 32)),
    AbortText("malloc(): invalid size (unsorted)", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("malloc(): invalid next size (unsorted)", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("malloc(): mismatching next->prev_size (unsorted)", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("malloc(): unsorted double linked list corrupted", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("malloc(): invalid next->prev_inuse (unsorted)", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("malloc(): corrupted unsorted chunks", DiesIn.MALLOC, "_int_malloc"),
    AbortText("malloc(): corrupted unsorted chunks 2", DiesIn.MALLOC, "_int_malloc"),
    AbortText("malloc(): corrupted unsorted chunks 3", DiesIn.MALLOC, "_int_malloc", first=(2, 28), last=(2, 37)),
    AbortText("malloc(): smallbin double linked list corrupted", DiesIn.MALLOC, "_int_malloc"),
    AbortText(
        "malloc(): largebin double linked list corrupted (nextsize)", DiesIn.MALLOC, "_int_malloc", first=(2, 30)
    ),
    AbortText("malloc(): largebin double linked list corrupted (bk)", DiesIn.MALLOC, "_int_malloc", first=(2, 30)),
    AbortText("malloc(): memory corruption (fast)", DiesIn.MALLOC, "_int_malloc", last=(2, 42)),
    AbortText("malloc(): unaligned fastbin chunk detected", DiesIn.MALLOC, "_int_malloc", first=(2, 32), last=(2, 42)),
    AbortText(
        "malloc(): unaligned fastbin chunk detected 2", DiesIn.MALLOC, "_int_malloc", first=(2, 32), last=(2, 42)
    ),
    AbortText(
        "malloc(): unaligned fastbin chunk detected 3", DiesIn.MALLOC, "_int_malloc", first=(2, 32), last=(2, 42)
    ),
    AbortText("malloc(): chunk size mismatch in fastbin", DiesIn.MALLOC, "_int_malloc", first=(2, 42), last=(2, 42)),
    AbortText(
        "malloc_consolidate(): invalid chunk size",
        DiesIn.MALLOC_OR_LARGE_FREE,
        "malloc_consolidate",
        first=(2, 27),
        last=(2, 42),
    ),
    AbortText(
        "malloc_consolidate(): unaligned fastbin chunk detected",
        DiesIn.MALLOC_OR_LARGE_FREE,
        "malloc_consolidate",
        first=(2, 32),
        last=(2, 42),
    ),
    AbortText(
        "corrupted size vs. prev_size in fastbins",
        DiesIn.MALLOC_OR_LARGE_FREE,
        "malloc_consolidate",
        first=(2, 29),
        last=(2, 42),
    ),
    AbortText(
        "int_mallinfo(): unaligned fastbin chunk detected",
        DiesIn.MALLINFO,
        "int_mallinfo",
        first=(2, 32),
        last=(2, 42),
    ),
    AbortText(
        "__malloc_info(): unaligned fastbin chunk detected",
        DiesIn.MALLOC_INFO,
        "__malloc_info",
        first=(2, 32),
        last=(2, 42),
    ),
    AbortText(
        "do_check_malloc_state(): unaligned fastbin chunk detected",
        DiesIn.UNDER_MALLOC_DEBUG,
        "do_check_malloc_state",
        first=(2, 32),
        last=(2, 42),
    ),
    AbortText("malloc(): corrupted top size", DiesIn.MALLOC, "_int_malloc", first=(2, 29)),
    AbortText("break adjusted to free malloc space", DiesIn.MALLOC, "sysmalloc"),
    AbortText(
        "_int_memalign(): unaligned chunk detected", DiesIn.MEMALIGN, "_int_memalign", first=(2, 38), last=(2, 38)
    ),
    AbortText("max tcache size too large", DiesIn.FIRST_MALLOC, "ptmalloc_init", first=(2, 42), last=(2, 42)),
)
