"""The cases of fixtures/programs/corrupt.c: the text that each dies with, where glibc has it, and what `heap check`
must say before."""

from __future__ import annotations

from dataclasses import dataclass

Release = tuple[int, int]

# For the cases that need chunks to miss the tcache.
NO_TCACHE = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}

_UNALIGNED_FAST = "malloc(): unaligned fastbin chunk detected"
_UNALIGNED_TCACHE = "malloc(): unaligned tcache chunk detected"
_UNSORTED = "malloc(): unsorted double linked list corrupted"
_LINKED = "corrupted double-linked list"
_NOT_SMALL = "corrupted double-linked list (not small)"


@dataclass(frozen=True)
class Case:
    """`text` is what malloc dies with in the releases from `first` to `last`. `said` is what `heap check` says of
    the guilty chunk before; "" where nothing is wrong yet (a pointer that is about to be freed wrongly).
    `program` has the case; `variables` are more of its environment."""

    name: str
    text: str
    said: str
    first: Release = (2, 31)
    last: Release = (2, 99)
    tcache: bool = True
    program: str = "corrupt"
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """What the program is to be started with."""
        return {**({} if self.tcache else NO_TCACHE), **dict(self.variables)}

    def dies(self, glibc: Release) -> bool:
        """Whether this glibc has the text."""
        return self.first <= glibc <= self.last


CASES = (
    Case("free_invalid_pointer", "free(): invalid pointer", ""),
    Case("free_invalid_size", "free(): invalid size", "free(): invalid size"),
    Case("tcache_double_free", "free(): double free detected in tcache 2", ""),
    Case("tcache_too_many", "free(): too many chunks detected in tcache", "tcache list loops", (2, 33)),
    Case("tcache_unaligned_in_free", "free(): unaligned chunk detected in tcache 2", _UNALIGNED_TCACHE, (2, 32)),
    Case("tcache_unaligned_in_malloc", _UNALIGNED_TCACHE, _UNALIGNED_TCACHE, (2, 32)),
    Case(
        "tcache_unaligned_at_exit",
        "tcache_thread_shutdown(): unaligned tcache chunk detected",
        _UNALIGNED_TCACHE,
        (2, 32),
    ),
    Case("fasttop", "double free or corruption (fasttop)", "", last=(2, 42), tcache=False),
    Case(
        "invalid_fastbin_entry",
        "invalid fastbin entry (free)",
        "malloc(): memory corruption (fast)",
        last=(2, 42),
        tcache=False,
    ),
    Case("next_size_fast", "free(): invalid next size (fast)", "free(): invalid pointer", last=(2, 42), tcache=False),
    Case("double_free_top", "double free or corruption (top)", ""),
    Case("double_free_out", "double free or corruption (out)", "double free or corruption (out)"),
    Case("double_free_prev", "double free or corruption (!prev)", ""),
    Case("next_size_normal", "free(): invalid next size (normal)", "free(): invalid pointer"),
    Case(
        "while_consolidating", "corrupted size vs. prev_size while consolidating", "double free or corruption (!prev)"
    ),
    Case("size_vs_prev_size", "corrupted size vs. prev_size", "malloc(): mismatching next->prev_size (unsorted)"),
    Case("double_linked", _LINKED, _UNSORTED),
    Case("double_linked_not_small", _NOT_SMALL, _NOT_SMALL),
    Case("free_unsorted", "free(): corrupted unsorted chunks", _UNSORTED),
    Case("free_smallbin", "free(): chunks in smallbin corrupted", _LINKED, (2, 41), tcache=False),
    Case("unsorted_size", "malloc(): invalid size (unsorted)", "malloc(): invalid size (unsorted)"),
    Case("unsorted_next_size", "malloc(): invalid next size (unsorted)", "malloc(): invalid next size (unsorted)"),
    Case(
        "unsorted_prev_size",
        "malloc(): mismatching next->prev_size (unsorted)",
        "malloc(): mismatching next->prev_size (unsorted)",
    ),
    Case("unsorted_links", _UNSORTED, _UNSORTED),
    Case(
        "unsorted_prev_inuse",
        "malloc(): invalid next->prev_inuse (unsorted)",
        "malloc(): invalid next->prev_inuse (unsorted)",
    ),
    Case("unsorted_split", "malloc(): corrupted unsorted chunks", _UNSORTED),
    Case("unsorted_split_2", "malloc(): corrupted unsorted chunks 2", _UNSORTED),
    Case("smallbin_links", "malloc(): smallbin double linked list corrupted", _LINKED, tcache=False),
    Case("largebin_nextsize", "malloc(): largebin double linked list corrupted (nextsize)", _NOT_SMALL),
    Case("largebin_bk", "malloc(): largebin double linked list corrupted (bk)", _LINKED),
    Case(
        "fast_size",
        "malloc(): memory corruption (fast)",
        "malloc(): memory corruption (fast)",
        last=(2, 42),
        tcache=False,
    ),
    Case("fast_unaligned", _UNALIGNED_FAST, _UNALIGNED_FAST, (2, 32), (2, 42), tcache=False),
    Case("fast_unaligned_2", f"{_UNALIGNED_FAST} 2", _UNALIGNED_FAST, (2, 32), (2, 42), tcache=False),
    Case("fast_unaligned_3", f"{_UNALIGNED_FAST} 3", _UNALIGNED_FAST, (2, 32), (2, 42)),
    Case(
        "consolidate_size",
        "malloc_consolidate(): invalid chunk size",
        "malloc(): memory corruption (fast)",
        last=(2, 42),
        tcache=False,
    ),
    Case(
        "consolidate_unaligned",
        "malloc_consolidate(): unaligned fastbin chunk detected",
        _UNALIGNED_FAST,
        (2, 32),
        (2, 42),
        tcache=False,
    ),
    Case(
        "consolidate_prev_size",
        "corrupted size vs. prev_size in fastbins",
        "double free or corruption (!prev)",
        last=(2, 42),
        tcache=False,
    ),
    Case(
        "mallinfo_unaligned",
        "int_mallinfo(): unaligned fastbin chunk detected",
        _UNALIGNED_FAST,
        (2, 32),
        (2, 42),
        tcache=False,
    ),
    Case(
        "malloc_info_unaligned",
        "__malloc_info(): unaligned fastbin chunk detected",
        _UNALIGNED_FAST,
        (2, 32),
        (2, 42),
        tcache=False,
    ),
    Case("top_size", "malloc(): corrupted top size", "malloc(): corrupted top size"),
    Case("munmap_pointer", "munmap_chunk(): invalid pointer", "munmap_chunk(): invalid pointer"),
    Case("mremap_pointer", "mremap_chunk(): invalid pointer", "munmap_chunk(): invalid pointer"),
    Case("realloc_pointer", "realloc(): invalid pointer", ""),
    Case("realloc_old_size", "realloc(): invalid old size", "free(): invalid size"),
    Case("realloc_next_size", "realloc(): invalid next size", "free(): invalid pointer"),
    Case("break_adjusted", "break adjusted to free malloc space", "break adjusted to free malloc space"),
    Case("assert_top", "(old_top == initial_top (av) && old_size == 0)", "top has a wrong size"),
    Case("assert_main_arena", "chunk_main_arena (bck->bk)", "chunk names the wrong arena"),
)
