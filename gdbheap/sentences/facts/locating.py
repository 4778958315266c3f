"""What of a malloc could not be found, and why; and which malloc it is."""

from __future__ import annotations

from gdbheap.errors import SYMBOLS_HELP

LOCATING = {
    "control_block_lost": "its control block at {address} is missing or overwritten",
    "defines_malloc": "{path} defines malloc: blocks that it does not take from libc are not in this heap",
    "glibc_without_fastbins": "this glibc has no fastbins",
    "malloc_without_tcaches": "this malloc has no tcaches",
    "no_arena_yet": "it has no arena yet",
    "no_list_tells_safe_linking": f"no list in a tcache or fastbin tells; {SYMBOLS_HELP}",
    "no_tcache": "it has no tcache: not made yet, given back at the thread's end, or switched off",
    "no_tcache_any_more": "it has no tcache: given back at the thread's end, or switched off",
    "no_tcache_can_be_there": "tcache is {held}, where there can be none",
    "no_tcache_found": f"no tcache is found; {SYMBOLS_HELP}",
    "no_tcache_key_yet": "this glibc has none (it came in 2.34)",
    "no_tcache_yet": "it has no tcache yet",
    "not_found_in_tls": "{variable} is not found in its TLS",
    "nothing_looks_like_mp": f"nothing in its data looks like mp_; {SYMBOLS_HELP}",
    "nothing_tells_brk": (
        "libc's __curbrk is not known, no mapping is named [heap], and main_arena has not grown by brk alone"
    ),
    "only_its_symbol_tells": f"only its symbol tells; {SYMBOLS_HELP}",
    "other_malloc_not_shown": "another malloc in use is not shown: main_arena at {main_arena}, {path}",
    "serves_malloc": "{path} serves malloc, in place of libc",
    "several_look_like_mp": f"several places look like mp_: {{places}}; {SYMBOLS_HELP}",
    "tcaches_differ_in_size": f"the tcaches differ in size; {SYMBOLS_HELP}",
    "thread_arena_is_no_arena": "thread_arena is {held}, which is no arena",
    "thread_pointer_unknown": "its thread pointer is not known",
    "tls_not_made_yet": "its TLS is not made yet",
    "tls_unreadable": "its TLS cannot be read",
    "too_few_chunks_for_tcache_key": f"too few chunks in tcaches to tell it, or this glibc has none; {SYMBOLS_HELP}",
    "variable_unreadable": "{variable} at {address} cannot be read",
}
