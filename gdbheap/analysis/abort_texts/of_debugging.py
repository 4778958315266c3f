"""The texts of malloc's debugging modes, MALLOC_CHECK_ and mcheck(): in libc to glibc 2.33, from then on in
libc_malloc_debug."""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import AbortText

_CHECKED = "any call under MALLOC_CHECK_"
_MCHECK = "any call after mcheck()"

DEBUGGING_TEXTS: tuple[AbortText, ...] = (
    AbortText(
        "malloc: top chunk is corrupt",
        _CHECKED,
        "top_check",
        "top is neither the initial top nor a chunk that ends where the heap does",
        "a write past the end of the last block of the heap has overwritten top's size field",
    ),
    AbortText(
        "malloc_check_get_size: memory corruption",
        _CHECKED,
        "malloc_check_get_size",
        "the chain of bytes behind the block does not lead to its magic byte",
        "a write past the end of the block",
    ),
    AbortText(
        "memory clobbered before allocated block",
        _MCHECK,
        "checkhdr",
        "the header that mcheck keeps before the block is not as it was written",
        "a write before the start of the block, or past the end of the one below it; or the pointer never came from "
        "malloc",
    ),
    AbortText(
        "memory clobbered past end of allocated block",
        _MCHECK,
        "checkhdr",
        "the byte that mcheck keeps behind the block is not as it was written",
        "a write past the end of the block",
    ),
    AbortText(
        "block freed twice",
        _MCHECK,
        "checkhdr",
        "the header that mcheck keeps before the block says that it is free",
        "the block is freed a second time",
    ),
    AbortText(
        "bogus mcheck_status, library is buggy",
        _MCHECK,
        "mabort",
        "mcheck's verdict is not one that it knows",
        "none of its checks gives another: somebody else has called mcheck's own functions",
    ),
)
