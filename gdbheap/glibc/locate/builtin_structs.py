"""glibc malloc's structs of every generation from 2.23 on, built from their member lists, for a libc without debug
info.

Only members, their C types and counts are written down here; offsets follow from the word size as a C compiler lays
members out. What differs between releases is a parameter named by its trait, never a version number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from gdbheap.process.cstruct import CStruct, Field

NBINS = 128
BINMAP_WORDS = 4
# 64 exact bins, and the 12 wide ones that came with num_slots (2.42).
TCACHE_BINS, TCACHE_WIDE_BINS = 64, 12

# (name, C type, count); types: "char", "u16", "int" and "word" (pointers, size_t, INTERNAL_SIZE_T).
Member = tuple[str, str, int]


def word_and_alignments() -> Iterator[tuple[int, int]]:
    """Yield every (word, MALLOC_ALIGNMENT) there is: 64-bit, i386 since 2.26, other and older 32-bit."""
    yield from ((8, 16), (4, 16), (4, 8))


@cache
def malloc_state(pointer_size: int, alignment: int, fastbins: bool, have_fastchunks: bool) -> CStruct:
    """Return struct malloc_state. `fastbins`: to 2.42; `have_fastchunks`: a member of its own from 2.26's stable
    branch to 2.42."""
    members: list[Member] = [("mutex", "int", 1), ("flags", "int", 1)]
    if have_fastchunks:
        members.append(("have_fastchunks", "int", 1))
    if fastbins:
        members.append(("fastbinsY", "word", fastbin_count(pointer_size, alignment)))
    members += [
        ("top", "word", 1),
        ("last_remainder", "word", 1),
        ("bins", "word", NBINS * 2 - 2),
        ("binmap", "int", BINMAP_WORDS),
        ("next", "word", 1),
        ("next_free", "word", 1),
        ("attached_threads", "word", 1),
        ("system_mem", "word", 1),
        ("max_system_mem", "word", 1),
    ]
    return _struct("malloc_state", pointer_size, members)


def malloc_states(pointer_size: int, alignment: int) -> tuple[CStruct, ...]:
    """Return every generation of struct malloc_state, the newest first."""
    traits = ((False, False), (True, True), (True, False))
    return tuple(malloc_state(pointer_size, alignment, *each) for each in traits)


@cache
def malloc_par(  # noqa: PLR0913 (each tells generations apart)
    pointer_size: int,
    tcache: str,
    *,
    hugetlb: bool = False,
    thp_mode: bool = False,
    max_total_mem: bool = False,
    unsorted_limit: bool = True,
) -> CStruct:
    """Return struct malloc_par (of mp_).

    `tcache` is how the member that counts tcache bins is called: "tcache_bins" (2.26), "tcache_small_bins" (2.42),
    "" (to 2.25: no tcache). `hugetlb`: 2.35 on; `thp_mode`: 2.43 on; `max_total_mem`: 2.23; `unsorted_limit`: 2.26
    to 2.43.
    """
    names = ["trim_threshold", "top_pad", "mmap_threshold", "arena_test", "arena_max"]
    members: list[Member] = [(name, "word", 1) for name in names]
    if thp_mode:
        members.append(("thp_mode", "int", 1))
    if hugetlb:
        members += [("thp_pagesize", "word", 1), ("hp_pagesize", "word", 1), ("hp_flags", "int", 1)]
    members += [(name, "int", 1) for name in ("n_mmaps", "n_mmaps_max", "max_n_mmaps", "no_dyn_threshold")]
    names = ["mmapped_mem", "max_mmapped_mem"]
    names += ["max_total_mem"] if max_total_mem else []
    names += ["sbrk_base"]
    if tcache:
        names += [tcache, "tcache_max_bytes", "tcache_count"]
        names += ["tcache_unsorted_limit"] if unsorted_limit else []
    members += [(name, "word", 1) for name in names]
    return _struct("malloc_par", pointer_size, members)


def malloc_pars(pointer_size: int, fastbins: bool, tcache: bool = True) -> tuple[CStruct, ...]:
    """Return the generations of struct malloc_par that go with arenas with fastbins (2.42 down to 2.23) or without
    (2.44, 2.43).

    Without `tcache`, those of libc_malloc_debug.so (2.34 on), whose malloc is libc's but for the tcache.
    """
    if not tcache:
        if not fastbins:
            return (malloc_par(pointer_size, "", hugetlb=True, thp_mode=True),)
        return malloc_par(pointer_size, "", hugetlb=True), malloc_par(pointer_size, "")
    if not fastbins:
        return (
            malloc_par(pointer_size, "tcache_small_bins", hugetlb=True, thp_mode=True, unsorted_limit=False),
            malloc_par(pointer_size, "tcache_small_bins", hugetlb=True, thp_mode=True),
        )
    return (
        malloc_par(pointer_size, "tcache_small_bins", hugetlb=True),
        malloc_par(pointer_size, "tcache_bins", hugetlb=True),
        malloc_par(pointer_size, "tcache_bins"),
        malloc_par(pointer_size, ""),
        malloc_par(pointer_size, "", max_total_mem=True),
    )


@cache
def tcache_perthread_struct(pointer_size: int, count_type: str) -> CStruct:
    """Return struct tcache_perthread_struct. `count_type` is "char" (counts, 2.26), "u16" (counts, 2.30) or "slots"
    (num_slots, 2.42)."""
    if count_type == "slots":
        bins = TCACHE_BINS + TCACHE_WIDE_BINS
        members: list[Member] = [("num_slots", "u16", bins), ("entries", "word", bins)]
    else:
        members = [("counts", count_type, TCACHE_BINS), ("entries", "word", TCACHE_BINS)]
    return _struct("tcache_perthread_struct", pointer_size, members)


def tcache_structs(pointer_size: int) -> tuple[CStruct, ...]:
    """Return every generation of struct tcache_perthread_struct, the newest first. Their sizes all differ."""
    return tuple(tcache_perthread_struct(pointer_size, each) for each in ("slots", "u16", "char"))


@cache
def heap_info(pointer_size: int, alignment: int, pagesize: bool) -> CStruct:
    """Return struct heap_info, `pagesize` being a member from 2.35 on. Its pad makes what follows it fit for mem."""
    names = ["ar_ptr", "prev", "size", "mprotect_size"] + (["pagesize"] if pagesize else [])
    members: list[Member] = [(name, "word", 1) for name in names]
    # mirrors the declarations of `pad` in arena.c, before and since 2.35
    pad = (-3 if pagesize else -6) * pointer_size & (alignment - 1)
    if pad:
        members.append(("pad", "char", pad))
    return _struct("heap_info", pointer_size, members)


def fastbin_count(pointer_size: int, alignment: int) -> int:
    """Return NFASTBINS: enough for a request of MAX_FAST_SIZE (80 * SIZE_SZ / 4)."""
    size = (80 * pointer_size // 4 + pointer_size + alignment - 1) & ~(alignment - 1)
    return size // (2 * pointer_size) - 2 + 1


def _struct(name: str, pointer_size: int, members: Iterable[Member]) -> CStruct:
    """Lay the members out at their natural alignment."""
    sizes = {"char": 1, "u16": 2, "int": 4, "word": pointer_size}
    fields: dict[str, Field] = {}
    end, alignment = 0, 1
    for member, kind, count in members:
        size = sizes[kind]
        alignment = max(alignment, size)
        offset = -(-end // size) * size
        fields[member] = Field(member, offset, size * count, count)
        end = offset + size * count
    return CStruct(name, -(-end // alignment) * alignment, fields)
