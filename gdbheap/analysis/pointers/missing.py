"""Which memory that may hold pointers is not there to be read: missing from a core, or too large for the connection
to a remote process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.process.address_space import without
from gdbheap.process.live.touched import is_out_of_reach
from gdbheap.process.memory import SparseMemory
from gdbheap.process.process import Process


def missing_parts(process: Process, spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the missing parts of these [start, end), in order, those that touch made one. (What a live process does
    not let us read holds nothing: guard pages.)"""
    found: list[tuple[int, int]] = []
    for low, high in sorted(each for span in spans for each in _missing(process, *span)):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def _missing(process: Process, start: int, end: int) -> Iterator[tuple[int, int]]:
    if is_out_of_reach(process, start, end):
        yield start, end
    elif process.kind == "core" and isinstance(process.memory, SparseMemory):
        yield from without(start, end, list(process.memory.held_spans(start, end)))
