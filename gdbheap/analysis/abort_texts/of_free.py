"""The texts that free, realloc and the ends of free lists abort with, from glibc 2.31 to 2.43, written from the
behaviour of each release."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import AbortText, DiesIn

FREE_TEXTS: tuple[AbortText, ...] = (
    AbortText("free(): invalid pointer", DiesIn.FREE, "_int_free"),
    AbortText("free(): invalid size", DiesIn.FREE, "_int_free"),
    AbortText(
        "free(): double free detected in tcache 2", DiesIn.FREE, "_int_free, tcache_double_free_verify", first=(2, 29)
    ),
    AbortText(
        "free(): too many chunks detected in tcache", DiesIn.FREE, "_int_free, tcache_double_free_verify", first=(2, 33)
    ),
    AbortText(
        "free(): unaligned chunk detected in tcache 2",
        DiesIn.FREE,
        "_int_free, tcache_double_free_verify",
        first=(2, 32),
    ),
    AbortText(
        "tcache_thread_shutdown(): unaligned tcache chunk detected",
        DiesIn.THREAD_EXIT,
        "tcache_thread_shutdown",
        first=(2, 32),
    ),
    AbortText("double free or corruption (fasttop)", DiesIn.FREE, "_int_free", last=(2, 42)),
    AbortText("invalid fastbin entry (free)", DiesIn.FREE, "_int_free", last=(2, 42)),
    AbortText("free(): invalid next size (fast)", DiesIn.FREE, "_int_free", last=(2, 42)),
    AbortText("double free or corruption (top)", DiesIn.FREE, "_int_free_merge_chunk"),
    AbortText("double free or corruption (out)", DiesIn.FREE, "_int_free_merge_chunk"),
    AbortText("double free or corruption (!prev)", DiesIn.FREE, "_int_free_merge_chunk"),
    AbortText("free(): invalid next size (normal)", DiesIn.FREE, "_int_free_merge_chunk"),
    AbortText("corrupted size vs. prev_size while consolidating", DiesIn.FREE, "_int_free_merge_chunk", first=(2, 29)),
    AbortText("corrupted size vs. prev_size", DiesIn.MALLOC_OR_FREE, "unlink_chunk", first=(2, 26)),
    AbortText("corrupted double-linked list", DiesIn.MALLOC_OR_FREE, "unlink_chunk"),
    AbortText("corrupted double-linked list (not small)", DiesIn.MALLOC_OR_FREE, "unlink_chunk"),
    AbortText("free(): corrupted unsorted chunks", DiesIn.FREE, "_int_free_create_chunk"),
    AbortText("free(): chunks in smallbin corrupted", DiesIn.FREE, "_int_free_create_chunk", first=(2, 41)),
    AbortText("munmap_chunk(): invalid pointer", DiesIn.FREE, "munmap_chunk"),
    AbortText("mremap_chunk(): invalid pointer", DiesIn.REALLOC, "mremap_chunk", first=(2, 29)),
    AbortText("realloc(): invalid pointer", DiesIn.REALLOC, "__libc_realloc"),
    AbortText("realloc(): invalid old size", DiesIn.REALLOC, "_int_realloc"),
    AbortText("realloc(): invalid next size", DiesIn.REALLOC, "_int_realloc"),
)
