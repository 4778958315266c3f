"""NULL that malloc has returned: the process has as much memory as its limits allow."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.cxx import mapped_bytes, memory_facts
from gdbheap.analysis.crashes.verdict import LIKELY, CrashContext, Verdict
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.glibc.chunk_table import State
from gdbheap.lazy import np
from gdbheap.process.signal_info import OF_ACCESSES

# mirrors sysmalloc(): where brk cannot grow, at least so much is mapped (MMAP_AS_MORECORE_SIZE).
_LEAST = 1 << 20
# vm.max_map_count's usual value, less what a few threads take.
_MOST_MAPPINGS = 65530 - 16


def null_from_malloc(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that a NULL pointer probably came from malloc, where a limit leaves no room for a block as large as the
    program's others."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or signal.signal not in OF_ACCESSES or signal.code <= 0 or crash.is_fetch:
        return
    if address is None or address >= NULL_ZONE or any(each.base_value >= NULL_ZONE for each in crash.accesses):
        return
    why = _used_up(crash)
    if why:
        summary = f"malloc may well have returned NULL, and nobody looked: {why}"
        yield Verdict(
            "null_from_malloc", LIKELY, address, summary, tuple(memory_facts(crash)), ("up", "heap rss", "vmmap")
        )


def _used_up(crash: CrashContext) -> str:
    """Return which limit is reached, "" for none."""
    needed = _LEAST + _largest(crash)
    if crash.memory_limit is not None and mapped_bytes(crash) + needed > crash.memory_limit:
        return (
            f"{max(crash.memory_limit - mapped_bytes(crash), 0):#x} bytes are left of what RLIMIT_AS allows (ulimit -v)"
        )
    if crash.data_limit is not None and crash.data_limit[1] + needed > crash.data_limit[0]:
        left = max(crash.data_limit[0] - crash.data_limit[1], 0)
        return f"{left:#x} bytes are left of what RLIMIT_DATA allows (ulimit -d)"
    if len(crash.process.address_space) >= _MOST_MAPPINGS:
        return "the process has as many mappings as the kernel usually allows (vm.max_map_count)"
    return ""


def _largest(crash: CrashContext) -> int:
    """Return the size of the largest block in use: as much may have been asked for."""
    if crash.heap is None:
        return 0
    table = crash.heap.table
    sizes = table.size[np.asarray(table.state == State.IN_USE)]
    return int(sizes.max()) if len(sizes) else 0
