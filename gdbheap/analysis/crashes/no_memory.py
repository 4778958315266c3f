"""NULL that malloc has returned: the process has as much memory as its limits allow."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.limits import MOST_MAPPINGS, mapped_bytes, memory_facts
from gdbheap.analysis.crashes.verdict import LIKELY, Cause, Verdict
from gdbheap.analysis.facts.heap import MallocReturnedNull
from gdbheap.analysis.mappings.zones import NULL_ZONE
from gdbheap.glibc.chunk_table import State
from gdbheap.lazy import np
from gdbheap.process.signal_info import OF_ACCESSES

# mirrors sysmalloc(): where brk cannot grow, at least so much is mapped (MMAP_AS_MORECORE_SIZE).
_LEAST = 1 << 20


def null_from_malloc(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that a NULL pointer probably came from malloc, where a limit leaves no room for a block as large as the
    program's others."""
    signal, address = crash.stop.signal, crash.fault_address
    if signal is None or signal.signal not in OF_ACCESSES or signal.code <= 0 or crash.is_fetch:
        return
    if address is None or address >= NULL_ZONE or any(each.base_value >= NULL_ZONE for each in crash.accesses):
        return
    found, facts = _used_up(crash), tuple(memory_facts(crash))
    if found is not None:
        yield Verdict(Cause.NULL_FROM_MALLOC, LIKELY, address, found, facts, ("up", "heap rss", "vmmap"))


def _used_up(crash: CrashContext) -> MallocReturnedNull | None:
    """Return which limit is reached, None for none."""
    needed = _LEAST + _largest(crash)
    if crash.memory_limit is not None and mapped_bytes(crash) + needed > crash.memory_limit:
        return MallocReturnedNull("address_space", max(crash.memory_limit - mapped_bytes(crash), 0))
    if crash.data_limit is not None and crash.data_limit[1] + needed > crash.data_limit[0]:
        return MallocReturnedNull("data", max(crash.data_limit[0] - crash.data_limit[1], 0))
    if len(crash.process.address_space) >= MOST_MAPPINGS:
        return MallocReturnedNull("mappings", None)
    return None


def _largest(crash: CrashContext) -> int:
    """Return the size of the largest block in use: as much may have been asked for."""
    if crash.heap is None:
        return 0
    table = crash.heap.table
    sizes = table.size[np.asarray(table.state == State.IN_USE)]
    return int(sizes.max()) if len(sizes) else 0
