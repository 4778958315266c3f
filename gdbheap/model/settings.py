"""settings: malloc's parameters, by default, by the tunables, and by mallopt."""

from __future__ import annotations

from collections.abc import Mapping

from gdbheap.model import arenas, fastbins, tcache
from gdbheap.model.machine import ModelMalloc

# mallopt's parameters (malloc.h)
M_MXFAST = 1
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_THRESHOLD = -3
M_MMAP_MAX = -4
M_ARENA_TEST = -7
M_ARENA_MAX = -8

_MALLOPT = {
    M_TRIM_THRESHOLD: "trim_threshold",
    M_TOP_PAD: "top_pad",
    M_MMAP_THRESHOLD: "mmap_threshold",
    M_MMAP_MAX: "n_mmaps_max",
}
_ARENAS = {M_ARENA_TEST: "arena_test", M_ARENA_MAX: "arena_max"}
# tunables whose name is not the member's, or that switch the dynamic mmap threshold off
_TUNABLES = {
    "mmap_threshold": "mmap_threshold",
    "trim_threshold": "trim_threshold",
    "top_pad": "top_pad",
    "mmap_max": "n_mmaps_max",
}


def initialise(m: ModelMalloc, tunables: Mapping[str, int]) -> None:
    """Set up the main arena and all parameters (ptmalloc_init)."""
    m.thread.arena = m.main_arena
    arenas.initialise(m, m.main_arena)
    m.store(m.main_arena + m.NEXT, m.main_arena)
    m.store(m.main_arena + m.ATTACHED_THREADS, 1)
    for name in ("trim_threshold", "top_pad", "mmap_threshold"):
        m.set_parameter(name, 128 << 10)
    m.set_parameter("n_mmaps_max", 1 << 16)
    m.set_parameter("arena_test", 8 if m.pointer_size == 8 else 2)
    if m.traits.has_tcache:
        m.set_parameter("tcache_bins", tcache.SMALL_BINS)
        m.set_parameter("tcache_count", m.traits.tcache_count)
        largest = tcache.largest_small(m)
        past = m.traits.tcache_max_past and not m.traits.tcache_max_unmet
        m.set_parameter("tcache_max_bytes", largest + 1 if past else largest - m.pointer_size)
    m.global_max_fast = fastbins.default(m) if m.traits.has_fastbins else 0
    for name, value in tunables.items():
        _apply(m, name, value)


def mallopt(m: ModelMalloc, parameter: int, value: int) -> int:
    """Set a parameter; return 1, or 0 where the value is refused."""
    fastbins.consolidate(m, m.main_arena)
    if parameter == M_MXFAST:
        return _set_max_fast(m, value)
    if parameter in _ARENAS and value > 0:
        m.set_parameter(_ARENAS[parameter], value)
    if parameter not in _MALLOPT:
        return 1
    too_large = value & m.mask > m.traits.heap_max // 2
    if parameter == M_MMAP_THRESHOLD and m.traits.mmap_threshold_bounded and too_large:
        return 0
    m.set_parameter(_MALLOPT[parameter], value)
    m.set_parameter("no_dyn_threshold", 1)
    return 1


def _apply(m: ModelMalloc, name: str, value: int) -> None:
    if name.startswith("tcache_") and not m.traits.has_tcache:
        return
    if name == "tcache_count" and value <= 0xFFFF:
        m.set_parameter("tcache_count", value)
    elif name == "tcache_max":
        _set_tcache_max(m, value)
    elif name == "mxfast":
        _set_max_fast(m, value)
    elif name in _TUNABLES:
        m.set_parameter(_TUNABLES[name], value)
        m.set_parameter("no_dyn_threshold", 1)
    elif name in ("arena_max", "arena_test") or (name == "tcache_unsorted_limit" and m.traits.caches_unsorted):
        m.set_parameter(name, value)


def _set_tcache_max(m: ModelMalloc, value: int) -> None:
    size = m.sizes.chunk_size(value)
    if size is None:
        return
    if m.traits.tcache_max_past:
        index = tcache.bin_of(m, size)
        if index < m.traits.tcache_bins:
            if index < tcache.SMALL_BINS:
                m.set_parameter("tcache_bins", index + 1)
            m.set_parameter("tcache_max_bytes", size if m.traits.tcache_max_unmet else size + 1)
    elif value <= tcache.largest_small(m) - m.pointer_size:
        m.set_parameter("tcache_max_bytes", value)
        m.set_parameter("tcache_bins", tcache.bin_of(m, size) + 1)


def _set_max_fast(m: ModelMalloc, value: int) -> int:
    if not m.traits.has_fastbins:
        return 1
    if not 0 <= value <= 80 * m.pointer_size // 4:
        return int(m.traits.max_fast_unanswered)
    m.global_max_fast = fastbins.max_fast(m, value)
    return 1
