"""What a text of glibc's is about: the one place where the words that malloc died with, or the expression that it
asserted, are read."""

from __future__ import annotations

import enum
import re

from gdbheap.glibc.invariant import Invariant


class Topic(enum.Flag):
    """Facts that a text tells."""

    NONE = 0
    # The chunk that failed the check is the one that was passed to free or realloc, not one met in a list.
    PASSED_CHUNK = enum.auto()
    # The pointer is none of malloc's; its size is impossible, as a foreign pointer's may be too.
    INVALID_POINTER = enum.auto()
    INVALID_SIZE = enum.auto()
    # realloc's own checks; those of mremap_chunk, which are munmap_chunk's.
    REALLOC = enum.auto()
    MREMAP = enum.auto()
    # The header behind the chunk that was passed is the broken one.
    NEXT_SIZE = enum.auto()
    # The head of a list is no chunk's address.
    UNALIGNED_HEAD = enum.auto()
    # The same of a list that malloc has taken apart: an ending thread's tcache, the fastbins in malloc_consolidate.
    ENDED_TCACHE = enum.auto()
    CONSOLIDATED = enum.auto()
    # The ring of sizes of a large bin's chunks.
    SIZE_RING = enum.auto()
    # A chunk from a bin is smaller than its bin's.
    TOO_SMALL = enum.auto()
    # The chunk is top; is the first of its fastbin.
    IS_TOP = enum.auto()
    IS_FASTTOP = enum.auto()


_TOPICS = (
    (Topic.PASSED_CHUNK, r"free\(\): invalid|double free|munmap|mremap|realloc\(\)"),
    (Topic.PASSED_CHUNK, r"free\(\): double free detected in tcache 2$"),
    (Topic.PASSED_CHUNK, r"corrupted size vs\. prev_size while consolidating$"),
    (Topic.INVALID_POINTER, r".*(free|munmap_chunk|realloc)\(\): invalid pointer"),
    (Topic.INVALID_SIZE, r".*free\(\): invalid size"),
    (Topic.REALLOC, r"realloc\(\)"),
    (Topic.MREMAP, r"mremap_chunk"),
    (Topic.NEXT_SIZE, r".*next size"),
    (Topic.UNALIGNED_HEAD, r".*malloc\(\): unaligned (tcache|fastbin) chunk detected( [23])?$"),
    (Topic.ENDED_TCACHE, r"tcache_thread_shutdown\(\): unaligned tcache chunk detected$"),
    (Topic.CONSOLIDATED, r"malloc_consolidate\(\): unaligned fastbin chunk detected$"),
    (Topic.SIZE_RING, r".*not small"),
    (Topic.TOO_SMALL, r".*(\(newsize\) >=|newsize >= nb|nclears)"),
    (Topic.IS_TOP, r"double free or corruption \(top\)$"),
    (Topic.IS_FASTTOP, r"double free or corruption \(fasttop\)$"),
)

_TCACHE = frozenset(
    (
        *(Invariant.TCACHE_POINTER, Invariant.TCACHE_LINK, Invariant.TCACHE_SIZE, Invariant.TCACHE_COUNT),
        *(Invariant.TCACHE_LENGTH, Invariant.TCACHE_SLOTS, Invariant.TCACHE_KEY, Invariant.TCACHE_READABLE),
    )
)
_SIZES = frozenset(
    (
        *(Invariant.CHUNK_SIZE, Invariant.IS_MMAPPED, Invariant.NON_MAIN_ARENA, Invariant.FIRST_CHUNK),
        *(Invariant.PREV_INUSE, Invariant.PREV_INUSE_OF_TOP, Invariant.PREV_SIZE, Invariant.FREE_CHUNKS_APART),
        *(Invariant.NO_OVERLAP, Invariant.FENCEPOST, Invariant.FASTBIN_SIZE, Invariant.TCACHE_SIZE),
        *(Invariant.BIN_SIZE, Invariant.BIN_ORDER, Invariant.TOP_SIZE, Invariant.HEAP_SIZE),
        *(Invariant.MMAPPED_SIZE, Invariant.MMAPPED_HEADER),
    )
)
_DOUBLE = frozenset((Invariant.DOUBLE_LINK, Invariant.SIZE_RING, Invariant.LISTED_ONCE, Invariant.FASTBIN_LINK))
_TOP = frozenset((Invariant.TOP, Invariant.TOP_SIZE, Invariant.TOP_CLOSED, Invariant.PREV_INUSE_OF_TOP))

# Of the first pattern that a text has: the invariants whose violation explains it. For texts that malloc says of a
# chunk in a list, and not of the pointer that it was given.
_RELATED: tuple[tuple[str, frozenset[Invariant]], ...] = (
    (r"unaligned tcache|in tcache", _TCACHE),
    (
        r"unsorted",
        frozenset(
            (
                Invariant.DOUBLE_LINK,
                Invariant.PREV_SIZE,
                Invariant.BIN_SIZE,
                Invariant.CHUNK_SIZE,
                Invariant.LISTED_ONCE,
            )
        ),
    ),
    (r"double-linked list \(not small\)|nextsize", frozenset((Invariant.SIZE_RING,))),
    (r"double-linked list|double linked list|smallbin", _DOUBLE),
    (r"corrupted size vs. prev_size", _SIZES),
    (
        r"fastbin|\(fast\)|malloc_consolidate",
        frozenset(
            (
                *(Invariant.FASTBIN_LINK, Invariant.FASTBIN_SIZE, Invariant.HAVE_FASTCHUNKS, Invariant.LISTED_ONCE),
                *(Invariant.PREV_INUSE, Invariant.PREV_INUSE_OF_TOP, Invariant.PREV_SIZE, Invariant.DOUBLE_LINK),
            )
        ),
    ),
    (r"top|break adjusted", _TOP | {Invariant.PROGRAM_BREAK}),
    (
        r"chunk_main_arena|arena_for_chunk",
        frozenset(
            (
                *(Invariant.NON_MAIN_ARENA, Invariant.HEAP_ARENA, Invariant.ARENA_RING, Invariant.ARENA_FLAGS),
                *(Invariant.ARENA_MUTEX, Invariant.FREE_ARENAS),
            )
        ),
    ),
    (
        r"\(nb\)|>= nb|nclears|paligned_mem|attached|ar_ptr",
        _SIZES | {Invariant.ATTACHED_THREADS, Invariant.HEAP_MPROTECT_SIZE, Invariant.HEAP_PAGESIZE},
    ),
    (r"new_size|PREV_INUSE\)", frozenset((Invariant.FENCEPOST,))),
)


def topic_of(text: str) -> Topic:
    """Return what a text, or an asserted expression, tells."""
    found = Topic.NONE
    for topic, pattern in _TOPICS:
        if re.match(pattern, text):
            found |= topic
    return found


def related_to(text: str) -> frozenset[Invariant]:
    """Return the invariants whose violation may be what malloc died of with this text."""
    return next((invariants for pattern, invariants in _RELATED if re.search(pattern, text)), frozenset())
