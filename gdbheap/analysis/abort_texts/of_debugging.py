"""The texts of malloc's debugging modes, MALLOC_CHECK_ and mcheck(): in libc to glibc 2.33, from then on in
libc_malloc_debug."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import AbortText, DiesIn

DEBUGGING_TEXTS: tuple[AbortText, ...] = (
    AbortText("malloc: top chunk is corrupt", DiesIn.UNDER_MALLOC_CHECK, "top_check"),
    AbortText("malloc_check_get_size: memory corruption", DiesIn.UNDER_MALLOC_CHECK, "malloc_check_get_size"),
    AbortText("memory clobbered before allocated block", DiesIn.AFTER_MCHECK, "checkhdr"),
    AbortText("memory clobbered past end of allocated block", DiesIn.AFTER_MCHECK, "checkhdr"),
    AbortText("block freed twice", DiesIn.AFTER_MCHECK, "checkhdr"),
    AbortText("bogus mcheck_status, library is buggy", DiesIn.AFTER_MCHECK, "mabort"),
)
