"""One abort text of glibc's malloc: which check says it, in which call. What the check is about, and what it means, is
in sentences/abort_texts.py."""

from __future__ import annotations

import enum

from gdbheap.lazy import dataclass

Release = tuple[int, int]

OLDEST: Release = (2, 23)
NEWEST: Release = (2, 99)


class DiesIn(enum.Enum):
    """The calls that die of a check."""

    FREE = "free"
    REALLOC = "realloc"
    MALLOC = "malloc"
    CALLOC = "calloc"
    MEMALIGN = "memalign"
    FREE_OR_REALLOC = "free_or_realloc"
    MALLOC_OR_FREE = "malloc_or_free"
    MALLOC_OR_LARGE_FREE = "malloc_or_large_free"
    ANY_ALLOCATION = "any_allocation"
    THREAD_EXIT = "thread_exit"
    MALLINFO = "mallinfo"
    MALLOC_INFO = "malloc_info"
    MALLOC_TRIM = "malloc_trim"
    FIRST_MALLOC = "first_malloc"
    UNDER_MALLOC_DEBUG = "under_malloc_debug"
    UNDER_MALLOC_CHECK = "under_malloc_check"
    AFTER_MCHECK = "after_mcheck"


# Those that are given a pointer.
TAKE_POINTER = frozenset(
    (
        *(DiesIn.FREE, DiesIn.REALLOC, DiesIn.FREE_OR_REALLOC, DiesIn.MALLOC_OR_FREE, DiesIn.MALLOC_OR_LARGE_FREE),
        DiesIn.ANY_ALLOCATION,
    )
)


@dataclass(frozen=True)
class AbortText:
    """One text. `call` is the call that dies of it; `function` the part of malloc that says it; `first` and `last` the
    releases that have it, both included."""

    text: str
    call: DiesIn
    function: str
    first: Release = OLDEST
    last: Release = NEWEST
