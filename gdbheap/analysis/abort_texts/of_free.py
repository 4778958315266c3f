"""The texts that free, realloc and the ends of free lists abort with, from glibc 2.31 to 2.43, written from the
behaviour of each release.

"size" is a chunk's size field without flags, "raw" with them; P is the word, A the alignment.
"""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import DANGLING, OVERRUN, AbortText

FREE_TEXTS: tuple[AbortText, ...] = (
    AbortText(
        "free(): invalid pointer",
        "free",
        "_int_free",
        "the chunk is not aligned to A, or (to 2.41) chunk + size wraps around the address space, as it also does "
        "for size 0",
        "the pointer never came from malloc, points into the middle of a block, or the block's header is overwritten",
    ),
    AbortText(
        "free(): invalid size",
        "free",
        "_int_free",
        "size is less than the smallest chunk, or (to 2.41) not a multiple of A, or (from 2.42) chunk + size wraps "
        "around",
        f"the size field of the block is overwritten: {OVERRUN}; or the pointer never came from malloc",
    ),
    AbortText(
        "free(): double free detected in tcache 2",
        "free",
        "_int_free, tcache_double_free_verify",
        "the key in the block's second word is the tcache key, and the block is in one of this thread's tcache lists",
        "the block is freed a second time while the tcache still holds it",
        (2, 29),
    ),
    AbortText(
        "free(): too many chunks detected in tcache",
        "free",
        "_int_free, tcache_double_free_verify",
        "a tcache list is longer than mp_.tcache_count",
        f"a link of a tcache list is overwritten so that the list loops or runs away: {DANGLING}",
        (2, 33),
    ),
    AbortText(
        "free(): unaligned chunk detected in tcache 2",
        "free",
        "_int_free, tcache_double_free_verify",
        "a link of a tcache list, taken apart, is not aligned to A",
        f"the first word of a freed block is overwritten: {DANGLING}",
        (2, 32),
    ),
    AbortText(
        "tcache_thread_shutdown(): unaligned tcache chunk detected",
        "thread exit",
        "tcache_thread_shutdown",
        "a link of a tcache list of the ending thread is not aligned to A",
        f"the first word of a freed block is overwritten: {DANGLING}",
        (2, 32),
    ),
    AbortText(
        "double free or corruption (fasttop)",
        "free",
        "_int_free",
        "the chunk is already the first of its fastbin",
        "the same block is freed twice in a row",
        last=(2, 42),
    ),
    AbortText(
        "invalid fastbin entry (free)",
        "free",
        "_int_free",
        "the first chunk of the fastbin has a size of another fastbin",
        f"the size field of a freed block is overwritten: {OVERRUN}",
        last=(2, 42),
    ),
    AbortText(
        "free(): invalid next size (fast)",
        "free",
        "_int_free",
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem",
        "a write past the end of the freed block has overwritten the header behind it, or the block's own size field "
        "is wrong",
        last=(2, 42),
    ),
    AbortText(
        "double free or corruption (top)",
        "free",
        "_int_free_merge_chunk",
        "the chunk is the arena's top",
        "the block was freed before and has been merged into top since",
    ),
    AbortText(
        "double free or corruption (out)",
        "free",
        "_int_free_merge_chunk",
        "the arena is contiguous and chunk + size is at or past the end of top",
        "the block's size field is overwritten with a large value, or the block was freed before and lies in top now",
    ),
    AbortText(
        "double free or corruption (!prev)",
        "free",
        "_int_free_merge_chunk",
        "PREV_INUSE of the chunk behind is clear, which says that the block is free already",
        "the block is freed a second time, or a write past its end has cleared the bit in the header behind it",
    ),
    AbortText(
        "free(): invalid next size (normal)",
        "free",
        "_int_free_merge_chunk",
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem",
        "a write past the end of the freed block has overwritten the header behind it",
    ),
    AbortText(
        "corrupted size vs. prev_size while consolidating",
        "free",
        "_int_free_merge_chunk",
        "PREV_INUSE is clear, and the size of the chunk prev_size bytes below is not prev_size",
        "the end of the block below was overrun: its write has set prev_size and cleared PREV_INUSE; or the header "
        "of the free block below is overwritten",
        (2, 29),
    ),
    AbortText(
        "corrupted size vs. prev_size",
        "malloc or free",
        "unlink_chunk",
        "the size of a free chunk is not the prev_size of the chunk behind it",
        "the size field of a free chunk or its last word is overwritten",
        (2, 26),
    ),
    AbortText(
        "corrupted double-linked list",
        "malloc or free",
        "unlink_chunk",
        "fd->bk or bk->fd of a free chunk does not lead back to it",
        f"fd or bk of a freed block is overwritten: {DANGLING}",
    ),
    AbortText(
        "corrupted double-linked list (not small)",
        "malloc or free",
        "unlink_chunk",
        "fd_nextsize->bk_nextsize or bk_nextsize->fd_nextsize of a large free chunk does not lead back to it",
        f"the third or fourth word of a freed large block is overwritten: {DANGLING}",
    ),
    AbortText(
        "free(): corrupted unsorted chunks",
        "free",
        "_int_free_create_chunk",
        "bk of the first chunk of the unsorted bin is not the bin's header",
        f"bk of the block that was freed last is overwritten: {DANGLING}",
    ),
    AbortText(
        "free(): chunks in smallbin corrupted",
        "free",
        "_int_free_create_chunk",
        "bk of the first chunk of the small bin is not the bin's header",
        f"bk of the block of this size that was freed last is overwritten: {DANGLING}",
        (2, 41),
    ),
    AbortText(
        "munmap_chunk(): invalid pointer",
        "free",
        "munmap_chunk",
        "IS_MMAPPED is set, and the mapping that the header tells of is not made of whole pages, or the block is at "
        "no power of two in its page",
        "the block's header is overwritten, so that IS_MMAPPED is set or its size is wrong; or the pointer never "
        "came from malloc",
    ),
    AbortText(
        "mremap_chunk(): invalid pointer",
        "realloc",
        "mremap_chunk",
        "IS_MMAPPED is set, and the mapping that the header tells of is not made of whole pages, or the block is at "
        "no power of two in its page",
        "the block's header is overwritten, so that IS_MMAPPED is set or its size is wrong; or the pointer never "
        "came from malloc",
        (2, 29),
    ),
    AbortText(
        "realloc(): invalid pointer",
        "realloc",
        "__libc_realloc",
        "the chunk is not aligned to A, or chunk + size wraps around the address space",
        "the pointer never came from malloc, points into the middle of a block, or the block's header is overwritten",
    ),
    AbortText(
        "realloc(): invalid old size",
        "realloc",
        "_int_realloc",
        "raw is at most 2P, or size is at least the arena's system_mem",
        f"the size field of the block is overwritten: {OVERRUN}",
    ),
    AbortText(
        "realloc(): invalid next size",
        "realloc",
        "_int_realloc",
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem",
        "a write past the end of the block has overwritten the header behind it",
    ),
)
