"""Traits: how the allocators of the matrix differ, as data. The algorithms ask for a trait by name, never for a
version.

The releases that changed each trait are in its comment; the values were checked against real processes of each
release, 64 and 32 bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The members of malloc_par that malloc's paths use; 4-byte ints apart from words.
_MP_INTS = {"n_mmaps", "n_mmaps_max", "max_n_mmaps", "no_dyn_threshold"}
_MP_HEAD = ("trim_threshold", "top_pad", "mmap_threshold", "arena_test", "arena_max")
_MP_HUGE = ("thp_pagesize", "hp_pagesize", "hp_flags")
_MP_COUNTS = ("n_mmaps", "n_mmaps_max", "max_n_mmaps", "no_dyn_threshold")
_MP_TAIL = ("mmapped_mem", "max_mmapped_mem", "sbrk_base")
_MP_TCACHE = ("tcache_bins", "tcache_max_bytes", "tcache_count", "tcache_unsorted_limit")
_MP_NARROW = _MP_INTS | {"hp_flags", "thp_mode"}


@dataclass(frozen=True)
class Traits:
    """One glibc's malloc for one word size (bytes)."""

    name: str
    pointer_size: int

    has_hooks: bool = True
    """A program may put functions of its own in malloc's place: __malloc_hook, __free_hook (to 2.33). There the
    first call initialises malloc by way of a hook, posix_memalign only with an alignment that it takes."""
    safe_linking: bool = False
    """fd of tcache and fastbin chunks is XORed with its own address >> 12, and misaligned links abort (2.32)."""
    random_tcache_key: bool = False
    """A cached chunk's key is a number drawn at start (2.34), not the address of its tcache."""
    has_tcache: bool = True
    """(Any release may be built without: --disable-experimental-malloc.)"""
    tcache_walk_limit: bool = False
    """The double-free walk aborts when a list is longer than tcache_count (2.33)."""
    tcache_walks_all_bins: bool = False
    """The double-free walk looks at every bin, and frees after all when it finds nothing (2.42)."""
    tcache_large_bins: int = 0
    """Bins for chunks above the small ones (2.42)."""
    tcache_count: int = 7
    """Chunks a tcache bin holds (16 from 2.43)."""
    tcache_counts_slots: bool = False
    """The counters hold the free slots (2.42), not the cached chunks."""
    tcache_counts_bytes: bool = False
    """The counters are single bytes (to 2.29; backports of 2.28 and 2.29 have the 16 bits of 2.30)."""
    tcache_key: bool = True
    """A cached chunk carries a key by which a second free of it is seen (2.29, and backports of 2.27 and 2.28)."""
    tcache_on_request: bool = False
    """A tcache is made at the first request that it could serve (2.42), not at the thread's first call."""
    tcache_lazy: bool = False
    """A tcache is made when a chunk is first put in it (2.43)."""
    tcache_size_as_request: bool = False
    """A tcache made while the arena is locked is asked for by its chunk's size, and so becomes larger (2.43)."""
    caches_unsorted: bool = True
    """Unsorted chunks that fit exactly go to the tcache first, as many as mp_.tcache_unsorted_limit has malloc look
    at (to 2.43)."""
    tcache_large_fit: bool = False
    """A request that a large tcache bin may serve gets the first chunk that is large enough (2.42), not only one of
    just its size."""
    tcache_large_mmapped: bool = False
    """Large tcache bins take mmapped chunks too (2.43)."""
    calloc_uses_tcache: bool = False
    """(2.41)"""
    calloc_clears_request: bool = False
    """What calloc clears of a small cached chunk goes by the request (2.42), not by the chunk's size field."""
    memalign_uses_tcache: bool = False
    """(2.38)"""

    has_fastbins: bool = True
    """(to 2.42)"""
    small_free_to_smallbin: bool = False
    """A freed small chunk goes to its small bin at once (2.41), not to the unsorted list."""
    leftovers_to_tcache: bool = True
    """What realloc and sysmalloc free inside goes through the tcache and the fastbins (to 2.41)."""
    memalign_merges: bool = False
    """What memalign frees is merged into its neighbours at once (2.39)."""
    memalign_small_tail: bool = False
    """memalign gives back a tail too small for a chunk where the chunk behind it is free (2.39 to 2.42)."""
    max_fast_unanswered: bool = False
    """mallopt says that it has set an M_MXFAST which it refuses (the stable branches of 2.28 to 2.30)."""
    requests_bounded: bool = False
    """What is larger than PTRDIFF_MAX is refused (2.30); before that nearly all of the address space may be asked for,
    and the sums for it wrap around."""
    refuses_early: bool = True
    """malloc, calloc, and memalign with a tcache, refuse what is too large at once (to 2.42), not after asking a
    second arena, which may have to be made."""
    memalign_asserts: bool = True
    """memalign asserts that it cut no more off the front than there was, and compares before it cuts the tail off
    (to 2.42)."""
    largebin_tail_check: bool = False
    """Putting the smallest chunk of a large bin checks the nextsize link of the largest (2.42)."""

    mmapped_overhead_words: int = 0
    """What an mmapped chunk's size leaves out of its mapping, in words (2.43: 2)."""
    realloc_slack: bool = False
    """realloc returns the block as it is when less than two words would be unused (2.38)."""
    realloc_mmapped_slack: bool = False
    """... or, in an mmapped chunk, at most a page (2.38 to 2.42)."""
    aligned_alloc_strict: bool = False
    """aligned_alloc refuses an alignment that is no power of two (2.38)."""
    free_size_wraps: bool = False
    """free's size check is only that the chunk does not end past the address space, and not below MINSIZE (2.42)."""
    morecore_swapped: bool = False
    """Where brk fails, the unit and the least size of the mapping made instead are mixed up: whole MiB, at least a
    page (2.35 to 2.38)."""
    morecore_whole: bool = False
    """That mapping's size is computed afresh, not from what the break was to grow (2.43)."""
    mmap_threshold_bounded: bool = True
    """mallopt refuses an M_MMAP_THRESHOLD above half of HEAP_MAX_SIZE (to 2.34)."""

    arena_per_processor: bool = False
    """There may be as many arenas as processors, or arena_test if that is more (2.44), not a multiple of the
    processors."""
    heap_info_pagesize: bool = False
    """heap_info has a member pagesize (2.35)."""
    mp_huge_pages: bool = False
    """malloc_par has hugetlb members (2.35)."""
    mp_thp_mode: bool = False
    """malloc_par has thp_mode (2.43)."""
    tcache_max_past: bool = False
    """mp_.tcache_max_bytes is one more than the largest cached chunk (2.42), not the largest cached request."""
    tcache_max_unmet: bool = False
    """That bound is the largest chunk's own size, or by default its usable size, so that chunks of it are not cached
    (2.42 as it came out)."""

    @property
    def is_compared(self) -> bool:
        """Whether the model was held against this release, at this size of pointers, call by call."""
        return self.name in (COMPARED if self.pointer_size == 8 else COMPARED_32)

    @property
    def alignment(self) -> int:
        """MALLOC_ALIGNMENT."""
        return 16

    @property
    def heap_max(self) -> int:
        """HEAP_MAX_SIZE."""
        return 64 << 20 if self.pointer_size == 8 else 1 << 20

    @property
    def mmap_threshold_max(self) -> int:
        """DEFAULT_MMAP_THRESHOLD_MAX."""
        return 32 << 20 if self.pointer_size == 8 else 512 << 10

    @property
    def tcache_bins(self) -> int:
        """All tcache bins, 64 small and the large."""
        return 64 + self.tcache_large_bins

    @property
    def tcache_entries(self) -> int:
        """The offset of entries in the tcache struct; the counters come before it."""
        return -(-(1 if self.tcache_counts_bytes else 2) * self.tcache_bins // self.pointer_size) * self.pointer_size

    @property
    def tcache_size(self) -> int:
        """sizeof (tcache_perthread_struct)."""
        return self.tcache_entries + self.tcache_bins * self.pointer_size

    @property
    def fastbins(self) -> int:
        """NFASTBINS."""
        return 0 if not self.has_fastbins else 10 if self.pointer_size == 8 else 11

    @property
    def arena_top(self) -> int:
        """The offset of malloc_state.top; last_remainder, bins, binmap and the rest follow it."""
        if not self.has_fastbins:
            return 8
        head = 12 if self.pointer_size == 4 else 16
        return head + self.fastbins * self.pointer_size

    @property
    def arena_size(self) -> int:
        """sizeof (struct malloc_state)."""
        return self.arena_top + (2 + 254) * self.pointer_size + 16 + 5 * self.pointer_size

    @property
    def heap_info_size(self) -> int:
        """sizeof (heap_info), padded to the alignment of what follows."""
        if self.pointer_size == 8:
            return 0x30 if self.heap_info_pagesize else 0x20
        return 0x18

    def mp_members(self) -> dict[str, tuple[int, int]]:
        """Return malloc_par's members by name: (offset, size)."""
        names = (
            *_MP_HEAD,
            *(("thp_mode",) if self.mp_thp_mode else ()),
            *(_MP_HUGE if self.mp_huge_pages else ()),
            *_MP_COUNTS,
            *_MP_TAIL,
            *(_MP_TCACHE[: None if self.caches_unsorted else -1] if self.has_tcache else ()),
        )
        offset = 0
        members = {}
        for name in names:
            size = 4 if name in _MP_NARROW else self.pointer_size
            offset = (offset + size - 1) & -size
            members[name] = (offset, size)
            offset += size
        return members

    def mp_size(self) -> int:
        """Return sizeof (struct malloc_par)."""
        offset, size = list(self.mp_members().values())[-1]
        return (offset + size + self.pointer_size - 1) & -self.pointer_size


# What each release changed, in order. Of 2.27 to 2.30 and 2.42 these are the stable branches, which distributions have.
_CHANGES: dict[str, dict[str, bool | int]] = {
    "2.27": {"tcache_counts_bytes": True},
    "2.28": {"tcache_counts_bytes": False, "max_fast_unanswered": True},
    "2.29": {},
    "2.30": {"requests_bounded": True},
    "2.31": {"max_fast_unanswered": False},
    "2.32": {"safe_linking": True},
    "2.33": {"tcache_walk_limit": True},
    "2.34": {"has_hooks": False, "random_tcache_key": True, "mmap_threshold_bounded": False},
    "2.35": {"heap_info_pagesize": True, "mp_huge_pages": True, "morecore_swapped": True},
    "2.36": {},
    "2.37": {},
    "2.38": {
        "memalign_uses_tcache": True,
        "realloc_slack": True,
        "realloc_mmapped_slack": True,
        "aligned_alloc_strict": True,
    },
    "2.39": {"memalign_merges": True, "memalign_small_tail": True, "morecore_swapped": False},
    "2.40": {},
    "2.41": {"calloc_uses_tcache": True, "small_free_to_smallbin": True},
    "2.42": {
        "tcache_walks_all_bins": True,
        "tcache_large_bins": 12,
        "tcache_counts_slots": True,
        "tcache_max_past": True,
        "tcache_on_request": True,
        "tcache_large_fit": True,
        "calloc_clears_request": True,
        "leftovers_to_tcache": False,
        "free_size_wraps": True,
        "largebin_tail_check": True,
    },
    "2.43": {
        "tcache_count": 16,
        "tcache_on_request": False,
        "tcache_lazy": True,
        "tcache_size_as_request": True,
        "tcache_large_fit": False,
        "tcache_large_mmapped": True,
        "has_fastbins": False,
        "memalign_small_tail": False,
        "memalign_asserts": False,
        "refuses_early": False,
        "mmapped_overhead_words": 2,
        "realloc_mmapped_slack": False,
        "morecore_whole": True,
        "mp_thp_mode": True,
    },
    "2.44": {"caches_unsorted": False, "tcache_size_as_request": False, "arena_per_processor": True},
}
# What is different in releases as they were published, before their stable branches changed it.
_FIRST: dict[str, dict[str, bool | int]] = {
    "2.27": {"tcache_key": False},
    "2.28": {"tcache_counts_bytes": True, "tcache_key": False, "max_fast_unanswered": False},
    "2.29": {"tcache_counts_bytes": True, "max_fast_unanswered": False},
    "2.30": {"max_fast_unanswered": False},
    "2.42": {"tcache_max_unmet": True},
}
NAMES = ("2.31", "2.36", "2.41", "2.43", "2.44")
"""The releases that the tests' systems have: the model is held against them call by call, in every run."""
COMPARED = ("2.27", "2.27.0", "2.28", "2.28.0", "2.29", "2.29.0", "2.30", "2.30.0", *NAMES, "2.42", "2.42.0")
"""With them, the mallocs whose calls are recorded, in 64 bit: of 2.27 to 2.29 only what they do with a sound heap."""
COMPARED_32 = (*NAMES, "2.30")
"""The same in 32 bit."""
KNOWN = tuple(_CHANGES)
"""The releases that it has traits for."""


def traits(name: str, pointer_size: int = 8) -> Traits:
    """Return the traits of glibc `name` (one of KNOWN) for `word` 8 or 4; KeyError for another name."""
    return variants(name, pointer_size)[0]


def variants(name: str, pointer_size: int = 8) -> list[Traits]:
    """Return the traits of each malloc that calls itself glibc `name`: of its stable branch, then of its first
    release where that differs."""
    if name not in _CHANGES:
        raise KeyError(name)
    changes: dict[str, Any] = {}
    for release, changed in _CHANGES.items():
        changes.update(changed)
        if release == name:
            break
    found = [Traits(name, pointer_size, **changes)]
    if name in _FIRST:
        found.append(Traits(f"{name}.0", pointer_size, **{**changes, **_FIRST[name]}))
    return found
