"""What may have kept the process from getting memory."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.facts.heap import AddressSpaceLimit, DataLimit, MappedInAll, MostMappings
from gdbheap.process.fact import Fact

# vm.max_map_count's usual value; and that less what a few threads take.
_USUAL_MAPPINGS = 65530
MOST_MAPPINGS = _USUAL_MAPPINGS - 16


def memory_facts(crash: CrashContext) -> Iterator[Fact]:
    """Yield the process's size and the limits on it."""
    space = crash.process.address_space
    yield MappedInAll(len(space), mapped_bytes(crash))
    if len(space) >= MOST_MAPPINGS:
        yield MostMappings(_USUAL_MAPPINGS)
    if crash.memory_limit is not None:
        yield AddressSpaceLimit(crash.memory_limit)
    if crash.data_limit is not None:
        yield DataLimit(*crash.data_limit)


def mapped_bytes(crash: CrashContext) -> int:
    """Return how much address space the process has, in bytes."""
    return sum(vma.size for vma in crash.process.address_space if not vma.path.startswith("[vsyscall"))
