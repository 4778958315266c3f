"""What malloc's checks are about, in words: for each text that it aborts with the condition that has failed, and what
that means for the program; for each of its assertions what it means.

"size" is a chunk's size field without flags, "raw" with them; P is the word, A the alignment.
"""

from __future__ import annotations

from gdbheap.analysis.abort_texts.text import DiesIn
from gdbheap.analysis.facts.aborts import MallocsCheck

OVERRUN = "a write past the end of the block below, or through a pointer that is off"
DANGLING = "a write through a dangling pointer into a freed block, or a write past the end of the block below it"
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

CALLS = {
    DiesIn.FREE: "free",
    DiesIn.REALLOC: "realloc",
    DiesIn.MALLOC: "malloc",
    DiesIn.CALLOC: "calloc",
    DiesIn.MEMALIGN: "memalign",
    DiesIn.FREE_OR_REALLOC: "free or realloc",
    DiesIn.MALLOC_OR_FREE: "malloc or free",
    DiesIn.MALLOC_OR_LARGE_FREE: "malloc or free of a large block",
    DiesIn.ANY_ALLOCATION: "malloc, calloc, realloc or memalign",
    DiesIn.THREAD_EXIT: "thread exit",
    DiesIn.MALLINFO: "mallinfo or malloc_stats",
    DiesIn.MALLOC_INFO: "malloc_info",
    DiesIn.MALLOC_TRIM: "malloc_trim",
    DiesIn.FIRST_MALLOC: "the first malloc",
    DiesIn.UNDER_MALLOC_DEBUG: "any call of a malloc built with MALLOC_DEBUG",
    DiesIn.UNDER_MALLOC_CHECK: "any call under MALLOC_CHECK_",
    DiesIn.AFTER_MCHECK: "any call after mcheck()",
}
# By the text.
CONDITIONS = {
    "free(): invalid pointer": (
        "the chunk is not aligned to A, or (to 2.41) chunk + size wraps around the address space, as it also does "
        "for size 0"
    ),
    "free(): invalid size": (
        "size is less than the smallest chunk, or (to 2.41) not a multiple of A, or (from 2.42) chunk + size wraps "
        "around"
    ),
    "free(): double free detected in tcache 2": (
        "the key in the block's second word is the tcache key, and the block is in one of this thread's tcache lists"
    ),
    "free(): too many chunks detected in tcache": "a tcache list is longer than mp_.tcache_count",
    "free(): unaligned chunk detected in tcache 2": "a link of a tcache list, taken apart, is not aligned to A",
    "tcache_thread_shutdown(): unaligned tcache chunk detected": (
        "a link of a tcache list of the ending thread is not aligned to A"
    ),
    "double free or corruption (fasttop)": "the chunk is already the first of its fastbin",
    "invalid fastbin entry (free)": "the first chunk of the fastbin has a size of another fastbin",
    "free(): invalid next size (fast)": (
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem"
    ),
    "double free or corruption (top)": "the chunk is the arena's top",
    "double free or corruption (out)": "the arena is contiguous and chunk + size is at or past the end of top",
    "double free or corruption (!prev)": (
        "PREV_INUSE of the chunk behind is clear, which says that the block is free already"
    ),
    "free(): invalid next size (normal)": (
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem"
    ),
    "corrupted size vs. prev_size while consolidating": (
        "PREV_INUSE is clear, and the size of the chunk prev_size bytes below is not prev_size"
    ),
    "corrupted size vs. prev_size": "the size of a free chunk is not the prev_size of the chunk behind it",
    "corrupted double-linked list": "fd->bk or bk->fd of a free chunk does not lead back to it",
    "corrupted double-linked list (not small)": (
        "fd_nextsize->bk_nextsize or bk_nextsize->fd_nextsize of a large free chunk does not lead back to it"
    ),
    "free(): corrupted unsorted chunks": "bk of the first chunk of the unsorted bin is not the bin's header",
    "free(): chunks in smallbin corrupted": "bk of the first chunk of the small bin is not the bin's header",
    "munmap_chunk(): invalid pointer": (
        "IS_MMAPPED is set, and the mapping that the header tells of is not made of whole pages, or the block is at "
        "no power of two in its page"
    ),
    "mremap_chunk(): invalid pointer": (
        "IS_MMAPPED is set, and the mapping that the header tells of is not made of whole pages, or the block is at "
        "no power of two in its page"
    ),
    "realloc(): invalid pointer": "the chunk is not aligned to A, or chunk + size wraps around the address space",
    "realloc(): invalid old size": "raw is at most 2P, or size is at least the arena's system_mem",
    "realloc(): invalid next size": (
        "raw of the chunk behind is at most 2P, or its size is at least the arena's system_mem"
    ),
    "malloc(): unaligned tcache chunk detected": "the head of the tcache list is not aligned to A",
    "malloc(): invalid size (unsorted)": (
        "the size of a chunk in the unsorted bin is at most 2P or more than the arena's system_mem"
    ),
    "malloc(): invalid next size (unsorted)": (
        "raw of the chunk behind one in the unsorted bin is less than 2P or more than the arena's system_mem"
    ),
    "malloc(): mismatching next->prev_size (unsorted)": (
        "prev_size of the chunk behind one in the unsorted bin is not its size"
    ),
    "malloc(): unsorted double linked list corrupted": (
        "bk->fd of a chunk in the unsorted bin is not that chunk, or fd of the last one is not the bin's header"
    ),
    "malloc(): invalid next->prev_inuse (unsorted)": "PREV_INUSE of the chunk behind one in the unsorted bin is set",
    "malloc(): corrupted unsorted chunks": (
        "bk of the first chunk of the unsorted bin is not the bin's header, when the rest of a large chunk is put there"
    ),
    "malloc(): corrupted unsorted chunks 2": (
        "bk of the first chunk of the unsorted bin is not the bin's header, when the rest of a chunk from a larger "
        "bin is put there"
    ),
    "malloc(): corrupted unsorted chunks 3": "bk->fd of a chunk that leaves the unsorted bin is not that chunk",
    "malloc(): smallbin double linked list corrupted": "bk->fd of the last chunk of a small bin is not that chunk",
    "malloc(): largebin double linked list corrupted (nextsize)": (
        "bk_nextsize->fd_nextsize of a chunk in a large bin is not that chunk, when another is sorted in"
    ),
    "malloc(): largebin double linked list corrupted (bk)": (
        "bk->fd of a chunk in a large bin is not that chunk, when another is sorted in"
    ),
    "malloc(): memory corruption (fast)": "a chunk taken from a fastbin has a size of another fastbin",
    "malloc(): unaligned fastbin chunk detected": "the link of the first chunk of a fastbin is not aligned to A",
    "malloc(): unaligned fastbin chunk detected 2": "the head of a fastbin is not aligned to A",
    "malloc(): unaligned fastbin chunk detected 3": (
        "a chunk that is about to move from a fastbin to the tcache is not aligned to A"
    ),
    "malloc(): chunk size mismatch in fastbin": (
        "a chunk that is about to move from a fastbin to the tcache has a size of another fastbin"
    ),
    "malloc_consolidate(): invalid chunk size": "a chunk in a fastbin has a size of another fastbin",
    "malloc_consolidate(): unaligned fastbin chunk detected": "a chunk in a fastbin is not aligned to A",
    "corrupted size vs. prev_size in fastbins": (
        "PREV_INUSE of a chunk in a fastbin is clear, and the size of the chunk prev_size bytes below is not prev_size"
    ),
    "int_mallinfo(): unaligned fastbin chunk detected": "a chunk in a fastbin is not aligned to A",
    "__malloc_info(): unaligned fastbin chunk detected": "a chunk in a fastbin is not aligned to A",
    "do_check_malloc_state(): unaligned fastbin chunk detected": "a chunk in a fastbin is not aligned to A",
    "malloc(): corrupted top size": "the size of top is more than the arena's system_mem",
    "break adjusted to free malloc space": "the arena is contiguous, and brk gave memory below its old end",
    "_int_memalign(): unaligned chunk detected": "a chunk found in a bin is not aligned to A",
    "max tcache size too large": "the tunables make the tcache larger than a page allows",
    "malloc: top chunk is corrupt": "top is neither the initial top nor a chunk that ends where the heap does",
    "malloc_check_get_size: memory corruption": "the chain of bytes behind the block does not lead to its magic byte",
    "memory clobbered before allocated block": "the header that mcheck keeps before the block is not as it was written",
    "memory clobbered past end of allocated block": (
        "the byte that mcheck keeps behind the block is not as it was written"
    ),
    "block freed twice": "the header that mcheck keeps before the block says that it is free",
    "bogus mcheck_status, library is buggy": "mcheck's verdict is not one that it knows",
}
IMPLIES = {
    "free(): invalid pointer": (
        "the pointer never came from malloc, points into the middle of a block, or the block's header is overwritten"
    ),
    "free(): invalid size": (
        f"the size field of the block is overwritten: {OVERRUN}; or the pointer never came from malloc"
    ),
    "free(): double free detected in tcache 2": "the block is freed a second time while the tcache still holds it",
    "free(): too many chunks detected in tcache": (
        f"a link of a tcache list is overwritten so that the list loops or runs away: {DANGLING}"
    ),
    "free(): unaligned chunk detected in tcache 2": f"the first word of a freed block is overwritten: {DANGLING}",
    "tcache_thread_shutdown(): unaligned tcache chunk detected": (
        f"the first word of a freed block is overwritten: {DANGLING}"
    ),
    "double free or corruption (fasttop)": "the same block is freed twice in a row",
    "invalid fastbin entry (free)": f"the size field of a freed block is overwritten: {OVERRUN}",
    "free(): invalid next size (fast)": (
        "a write past the end of the freed block has overwritten the header behind it, or the block's own size field "
        "is wrong"
    ),
    "double free or corruption (top)": "the block was freed before and has been merged into top since",
    "double free or corruption (out)": (
        "the block's size field is overwritten with a large value, or the block was freed before and lies in top now"
    ),
    "double free or corruption (!prev)": (
        "the block is freed a second time, or a write past its end has cleared the bit in the header behind it"
    ),
    "free(): invalid next size (normal)": (
        "a write past the end of the freed block has overwritten the header behind it"
    ),
    "corrupted size vs. prev_size while consolidating": (
        "the end of the block below was overrun: its write has set prev_size and cleared PREV_INUSE; or the header "
        "of the free block below is overwritten"
    ),
    "corrupted size vs. prev_size": "the size field of a free chunk or its last word is overwritten",
    "corrupted double-linked list": f"fd or bk of a freed block is overwritten: {DANGLING}",
    "corrupted double-linked list (not small)": (
        f"the third or fourth word of a freed large block is overwritten: {DANGLING}"
    ),
    "free(): corrupted unsorted chunks": f"bk of the block that was freed last is overwritten: {DANGLING}",
    "free(): chunks in smallbin corrupted": (
        f"bk of the block of this size that was freed last is overwritten: {DANGLING}"
    ),
    "munmap_chunk(): invalid pointer": (
        "the block's header is overwritten, so that IS_MMAPPED is set or its size is wrong; or the pointer never "
        "came from malloc"
    ),
    "mremap_chunk(): invalid pointer": (
        "the block's header is overwritten, so that IS_MMAPPED is set or its size is wrong; or the pointer never "
        "came from malloc"
    ),
    "realloc(): invalid pointer": (
        "the pointer never came from malloc, points into the middle of a block, or the block's header is overwritten"
    ),
    "realloc(): invalid old size": f"the size field of the block is overwritten: {OVERRUN}",
    "realloc(): invalid next size": "a write past the end of the block has overwritten the header behind it",
    "malloc(): unaligned tcache chunk detected": (
        "the first word of the block that was handed out before from this list was overwritten while it was free: "
        f"{DANGLING}"
    ),
    "malloc(): invalid size (unsorted)": f"the size field of a freed block is overwritten: {OVERRUN}",
    "malloc(): invalid next size (unsorted)": (
        "the header behind a freed block is overwritten: a write past the block's end, while it was in use or after"
    ),
    "malloc(): mismatching next->prev_size (unsorted)": (
        f"the last word of a freed block, or its size field, is overwritten: {DANGLING}"
    ),
    "malloc(): unsorted double linked list corrupted": f"fd or bk of a freed block is overwritten: {DANGLING}",
    "malloc(): invalid next->prev_inuse (unsorted)": (
        "the header behind a freed block is overwritten, or one block is handed out and free at once (a double free)"
    ),
    "malloc(): corrupted unsorted chunks": f"bk of a freed block is overwritten: {DANGLING}",
    "malloc(): corrupted unsorted chunks 2": f"bk of a freed block is overwritten: {DANGLING}",
    "malloc(): corrupted unsorted chunks 3": f"bk of a freed block is overwritten: {DANGLING}",
    "malloc(): smallbin double linked list corrupted": f"bk of a freed block is overwritten: {DANGLING}",
    "malloc(): largebin double linked list corrupted (nextsize)": (
        f"fd_nextsize or bk_nextsize of a freed large block is overwritten: {DANGLING}"
    ),
    "malloc(): largebin double linked list corrupted (bk)": f"bk of a freed large block is overwritten: {DANGLING}",
    "malloc(): memory corruption (fast)": (
        f"the size field of a freed block, or the link that leads to it, is overwritten: {DANGLING}"
    ),
    "malloc(): unaligned fastbin chunk detected": f"the first word of a freed block is overwritten: {DANGLING}",
    "malloc(): unaligned fastbin chunk detected 2": (
        f"the first word of a freed block was overwritten before the blocks in front of it were handed out: {DANGLING}"
    ),
    "malloc(): unaligned fastbin chunk detected 3": f"the first word of a freed block is overwritten: {DANGLING}",
    "malloc(): chunk size mismatch in fastbin": f"the size field of a freed block is overwritten: {OVERRUN}",
    "malloc_consolidate(): invalid chunk size": (
        f"the size field of a freed block, or the link that leads to it, is overwritten: {DANGLING}"
    ),
    "malloc_consolidate(): unaligned fastbin chunk detected": (
        f"the first word of a freed block is overwritten: {DANGLING}"
    ),
    "corrupted size vs. prev_size in fastbins": (
        "the end of the block below was overrun, or the header of the free block below is overwritten"
    ),
    "int_mallinfo(): unaligned fastbin chunk detected": f"the first word of a freed block is overwritten: {DANGLING}",
    "__malloc_info(): unaligned fastbin chunk detected": f"the first word of a freed block is overwritten: {DANGLING}",
    "do_check_malloc_state(): unaligned fastbin chunk detected": (
        f"the first word of a freed block is overwritten: {DANGLING}"
    ),
    "malloc(): corrupted top size": (
        "a write past the end of the last block of the heap has overwritten top's size field"
    ),
    "break adjusted to free malloc space": (
        "somebody has moved brk down (sbrk or brk with a smaller value) under malloc's feet"
    ),
    "_int_memalign(): unaligned chunk detected": f"a link of a free list is overwritten: {DANGLING}",
    "max tcache size too large": "the tunables of this process are at odds with the page size; no memory is corrupt",
    "malloc: top chunk is corrupt": (
        "a write past the end of the last block of the heap has overwritten top's size field"
    ),
    "malloc_check_get_size: memory corruption": "a write past the end of the block",
    "memory clobbered before allocated block": (
        "a write before the start of the block, or past the end of the one below it; or the pointer never came from "
        "malloc"
    ),
    "memory clobbered past end of allocated block": "a write past the end of the block",
    "block freed twice": "the block is freed a second time",
    "bogus mcheck_status, library is buggy": (
        "none of its checks gives another: somebody else has called mcheck's own functions"
    ),
}
# By the words that occur in the asserted expression.
ASSERTED = {
    "(old_top == initial_top (av) && old_size == 0)": (
        "top's size field is overwritten with a value that is too small or does not end at a page: a write past the "
        "end of the last block"
    ),
    "(unsigned long) (old_size) < (unsigned long) (nb + MINSIZE)": _MEANWHILE,
    "((unsigned long) chunk2mem (brk) & MALLOC_ALIGN_MASK) == 0": (
        "somebody else has moved brk (sbrk) by a size that is no multiple of malloc's alignment, in an arena that is "
        "not contiguous any more"
    ),
    "correction >= 0": _MEANWHILE,
    "((INTERNAL_SIZE_T) chunk2mem (mm) & MALLOC_ALIGN_MASK) == 0": "mmap gave memory that does not begin at a page",
    "chunk_main_arena (": "NON_MAIN_ARENA is set in the size field of a chunk in a large bin: the field is overwritten",
    "(unsigned long) (size) >= (unsigned long) (nb)": _BINNED,
    "bit != 0": "the arena's binmap has changed while malloc looked at it",
    "arena_for_chunk": (
        "NON_MAIN_ARENA of the chunk to be handed out, or the header of its heap, is wrong: a free list leads to a "
        "chunk that is not this arena's"
    ),
    "nclears >= 3": _BINNED,
    "newsize >= nb && (((unsigned long)": _BINNED,
    "(unsigned long) (newsize) >= (unsigned long) (nb)": _BINNED,
    "!chunk_is_mmapped (oldp)": _MEANWHILE,
    "chunk_is_mmapped (p)": _MEANWHILE,
    "aligned_OK (chunk2mem (p))": _MEANWHILE,
    "prev_size (p) == offset": _MEANWHILE,
    "(char *) p + size > paligned_mem": (
        "the size field of a free chunk is overwritten with a value so large that the chunk would end behind the "
        "address space"
    ),
    "<= paligned_mem": "a free chunk lies at the end of the address space",
    "heap->ar_ptr == av": "the header of the heap (heap_info) that the arena's top lies in is overwritten",
    "chunksize_nomask (p) == (0 | PREV_INUSE)": _FENCEPOST,
    "new_size > 0 && new_size < ": _FENCEPOST,
    "((unsigned long) ((char *) p + new_size) & (": _FENCEPOST,
    "((char *) p + new_size) == ((char *) heap + heap->size)": _FENCEPOST,
    "tc_idx <": "the size field of the block is overwritten",
    "replaced_arena->attached_threads > 0": _COUNT,
    "a->attached_threads > 0": _COUNT,
    "result->attached_threads == 0": _COUNT,
    "p->attached_threads == 0": _COUNT,
}


def condition(check: MallocsCheck) -> str:
    """Return the condition on which malloc gives up."""
    return CONDITIONS[check.text] if check.text else f"assert ({check.expression})"


def implied(check: MallocsCheck) -> str:
    """Return what its failure means for the program."""
    return IMPLIES[check.text] if check.text else ASSERTED.get(check.entry, "the heap is corrupt")
