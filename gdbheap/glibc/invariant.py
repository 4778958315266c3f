"""What holds in every whole heap of glibc's malloc, each by its name."""

from __future__ import annotations

import enum


class Invariant(enum.Enum):
    """The value is the published name."""

    # Headers of chunks: each leads to the next, and tells of the one before.
    CHUNK_SIZE = "chunk_size"
    IS_MMAPPED = "is_mmapped"
    NON_MAIN_ARENA = "non_main_arena"
    FIRST_CHUNK = "first_chunk"
    PREV_INUSE = "prev_inuse"
    PREV_INUSE_OF_TOP = "prev_inuse_of_top"
    PREV_SIZE = "prev_size"
    FREE_CHUNKS_APART = "free_chunks_apart"
    NO_OVERLAP = "no_overlap"
    FENCEPOST = "fencepost"
    # Free lists.
    FASTBIN_LINK = "fastbin_link"
    DOUBLE_LINK = "double_link"
    LIST_IN_HEAP = "list_in_heap"
    LISTED_ONCE = "listed_once"
    FASTBIN_SIZE = "fastbin_size"
    BIN_SIZE = "bin_size"
    BIN_ORDER = "bin_order"
    SIZE_RING = "size_ring"
    BINMAP = "binmap"
    # tcaches.
    TCACHE_POINTER = "tcache_pointer"
    TCACHE_LINK = "tcache_link"
    TCACHE_SIZE = "tcache_size"
    TCACHE_COUNT = "tcache_count"
    TCACHE_LENGTH = "tcache_length"
    TCACHE_SLOTS = "tcache_slots"
    TCACHE_KEY = "tcache_key"
    TCACHE_READABLE = "tcache_readable"
    # Arenas.
    ARENA_RING = "arena_ring"
    ARENA_MUTEX = "arena_mutex"
    ARENA_FLAGS = "arena_flags"
    HAVE_FASTCHUNKS = "have_fastchunks"
    LAST_REMAINDER = "last_remainder"
    ATTACHED_THREADS = "attached_threads"
    FREE_ARENAS = "free_arenas"
    SYSTEM_MEM = "system_mem"
    MAX_SYSTEM_MEM = "max_system_mem"
    # The top of an arena, and the heaps of others than the main one.
    TOP = "top"
    TOP_SIZE = "top_size"
    TOP_CLOSED = "top_closed"
    PROGRAM_BREAK = "program_break"
    HEAP_CHAIN = "heap_chain"
    HEAP_INFO = "heap_info"
    HEAP_ARENA = "heap_arena"
    HEAP_SIZE = "heap_size"
    HEAP_MPROTECT_SIZE = "heap_mprotect_size"
    HEAP_PAGESIZE = "heap_pagesize"
    # Chunks with mappings of their own, and mp_.
    MMAPPED_HEADER = "mmapped_header"
    MMAPPED_SIZE = "mmapped_size"
    PARAMETER = "parameter"
