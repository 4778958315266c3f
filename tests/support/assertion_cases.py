"""The cases of fixtures/programs/assertions.c: the assertion, or the text of a debugging mode, that each dies with,
where glibc has it."""

from __future__ import annotations

import platform
from functools import partial

from support.corruption import Case

GLIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])

# To glibc 2.33 the debugging modes are in libc itself, from then on in a library of their own.
_DEBUG = (("LD_PRELOAD", "libc_malloc_debug.so.0"),) if GLIBC >= (2, 34) else ()
# All that a case may set, to be unset before the next.
VARIABLES = ("LD_PRELOAD", "MALLOC_CHECK_")

_asserts = partial(Case, said="", program="assertions")
_checked = partial(_asserts, variables=(*_DEBUG, ("MALLOC_CHECK_", "3")))
_mcheck = partial(_asserts, variables=_DEBUG)

_HANDED_OUT = "|| chunk_is_mmapped (mem2chunk ({0})) || {1} == arena_for_chunk (mem2chunk ({0}))"

ASSERTIONS = (
    _asserts("wrong_arena_malloc", _HANDED_OUT.format("victim", "&main_arena")),
    _asserts("wrong_arena_malloc_threaded", _HANDED_OUT.format("victim", "ar_ptr")),
    _asserts("wrong_arena_calloc", _HANDED_OUT.format("mem", "av")),
    _asserts("wrong_arena_realloc", _HANDED_OUT.format("newp", "ar_ptr")),
    _asserts("wrong_arena_memalign", _HANDED_OUT.format("p", "&main_arena")),
    _asserts("wrong_arena_memalign_threaded", _HANDED_OUT.format("p", "ar_ptr")),
    _asserts("smaller_than_its_bin", "(unsigned long) (size) >= (unsigned long) (nb)"),
    _asserts("main_arena_fwd", "chunk_main_arena (fwd)"),
    _asserts("realloc_too_small", "(unsigned long) (newsize) >= (unsigned long) (nb)", tcache=False),
    _asserts("calloc_too_small", "nclears >= 3", last=(2, 36), tcache=False),
    _asserts("memalign_too_small", "newsize >= nb && ", last=(2, 41), tcache=False),
    _asserts("trim_wraps", "(char *) p + size > paligned_mem"),
    _asserts("misaligned_break", "((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0"),
    _asserts("trim_fencepost", "chunksize_nomask (p) == (0 | PREV_INUSE)"),
    _asserts("trim_small", "new_size > 0 && new_size < (long) (2 * MINSIZE)"),
    _asserts("trim_large", "new_size > 0 && new_size < "),
    _asserts("trim_page", "((unsigned long) ((char *) p + new_size) & ("),
    _asserts("trim_heap", "((char *) p + new_size) == ((char *) heap + heap->size)"),
    _asserts("heap_owner", "heap->ar_ptr == av"),
    _asserts("attached_at_exit", "a->attached_threads > 0"),
    _asserts("attached_in_free_list", "result->attached_threads == 0"),
    _asserts("attached_replaced", "replaced_arena->attached_threads > 0"),
    _checked("checked_free", "free(): invalid pointer"),
    _checked("checked_realloc", "realloc(): invalid pointer"),
    _checked("checked_top", "malloc: top chunk is corrupt"),
    _checked("checked_usable_size", "malloc_check_get_size: memory corruption"),
    _mcheck("mcheck_before", "memory clobbered before allocated block"),
    _mcheck("mcheck_behind", "memory clobbered past end of allocated block"),
    _mcheck("mcheck_twice", "block freed twice"),
)
# The alignment of memory that is asked of the kernel is asserted where malloc's own is the least possible, which i386's
# is not.
ONLY_64 = ("misaligned_break",)
