"""Which memory that may hold pointers is not there to be read: missing from a core, or too large for the connection
to a remote process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gdbheap.process.address_space import without
from gdbheap.process.live.touched import is_out_of_reach
from gdbheap.process.memory import sparse
from gdbheap.process.process import Process


def missing_parts(process: Process, spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the missing parts of these [start, end), in order, those that touch made one. (What a live process does
    not let us read holds nothing: guard pages.)"""
    found: list[tuple[int, int]] = []
    spans = list(spans)
    parts = [each for span in spans for each in _missing(process, *span)]
    for low, high in sorted([*parts, *unsure_parts(process, spans)]):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def unsure_parts(process: Process, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what of these [start, end) a file stands in for though the process could write there: what is found in
    it holds, but it may have held more. (Many file systems do not say when a mapping was written.)"""
    space = process.address_space
    may_write = [(start, end) for start, end, _ in process.stand_ins if (vma := space.find(start)) and vma.writable]
    return [
        (max(low, start), min(high, end))
        for low, high in spans
        for start, end in may_write
        if low < end and start < high
    ]


def _missing(process: Process, start: int, end: int) -> Iterator[tuple[int, int]]:
    if is_out_of_reach(process, start, end):
        yield start, end
    elif process.kind == "core" and (memory := sparse(process.memory)) is not None:
        yield from without(start, end, list(memory.held_spans(start, end)))
