"""Checks of mp_: settings that cannot be, counters that do not fit, and the mmapped chunks that they count."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, number
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.sizes import request_to_size
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fact import Fact
from gdbheap.process.fault import called

# TCACHE_SMALL_BINS (TCACHE_MAX_BINS before glibc 2.42), and the most that the tunable for the chunks in each allows
# (UINT16_MAX).
_TCACHE_BINS = 64
_MOST_CACHED = 0xFFFF
# The last of enum malloc_thp_mode_t (glibc 2.43) and of enum thp_mode_t (2.44, which took away tcache_unsorted_limit).
_LAST_THP_MODE, _LAST_THP_MODE_OF_2_44 = 3, 4


def check_parameters(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with mp_. Most of its members are settings: only what no setting can be is told."""
    mp = heap.view.parameters
    if mp is None:
        return
    for name, must, call in _impossible(heap, mp):
        yield of_mp(mp, name, must, call)
    for field, maximum in (("n_mmaps", "max_n_mmaps"), ("mmapped_mem", "max_mmapped_mem")):
        if mp[field] > mp[maximum]:
            most = Must(clause("at_most_the_maximum", maximum=maximum, value=mp[maximum]))
            yield of_mp(mp, field, most, clause("none_counters_mallinfo_limit_mmapped"))


def of_mp(mp: StructValue, field: str, must: Must, call: Fact, why: Fact | None = None) -> Finding:
    """Return the Finding of a wrong member of mp_."""
    where = mp.address + mp.struct.offset(field)
    wrong = Violation(Invariant.PARAMETER, called("parameter_wrong", field=field), must, call, why)
    return wrong.at(mp.address, WrongField(field, where, mp[field]))


def _impossible(heap: CheckedHeap, mp: StructValue) -> Iterator[tuple[str, Must, Fact]]:
    """Yield the settings that nobody can have made: (member, what it must be, the call that acts wrongly)."""
    if mp["no_dyn_threshold"] > 1:
        yield "no_dyn_threshold", Must(clause("zero_or_one")), clause("none_counts_1")
    last = _LAST_THP_MODE if "tcache_unsorted_limit" in mp.struct else _LAST_THP_MODE_OF_2_44
    if mp.get("thp_mode") is not None and mp["thp_mode"] > last:
        yield "thp_mode", Must(clause("at_most_the_last_mode", last=last)), clause("none_counts_another_mode")
    for field in ("thp_pagesize", "hp_pagesize"):
        size = mp.get(field) or 0
        if size & (size - 1) or 0 < size < heap.process.page_size:
            yield field, Must(clause("zero_or_a_huge_page")), clause("next_malloc_asks_system_memory")
    if mp.get("hp_flags") and not mp["hp_pagesize"]:
        yield "hp_flags", number(0, clause("as_hp_pagesize_is")), clause("none_flags_used_huge_pages_only")
    bins = mp.get("tcache_small_bins")
    if bins is not None and bins > _TCACHE_BINS:
        yield (
            "tcache_small_bins",
            Must(clause("at_most_the_tcache_bins", tcache_bins=_TCACHE_BINS)),
            clause("malloc_free_size_no_tcache_bin"),
        )
    if mp.get("tcache_bins") is not None:
        count = _bins_for(heap, mp["tcache_max_bytes"])
        if mp["tcache_bins"] != count:
            must = number(count, clause("as_tcache_max_bytes_makes_it", tcache_max_bytes=mp["tcache_max_bytes"]))
            call = clause("free_size_beyond_last_bin_writes") if mp["tcache_bins"] > count else clause("no_call")
            yield "tcache_bins", must, call
    if (mp.get("tcache_count") or 0) > _MOST_CACHED:
        yield (
            "tcache_count",
            Must(clause("at_most_what_a_bin_caches", most_cached=_MOST_CACHED)),
            clause("none_no_tcache_list_ever_full"),
        )


def _bins_for(heap: CheckedHeap, largest: int) -> int:
    """Return how many tcache bins requests up to `largest` need (to glibc 2.41: do_set_tcache_max)."""
    size = request_to_size(largest, heap.layout)
    return (size - heap.layout.min_size) // heap.layout.alignment + 1
