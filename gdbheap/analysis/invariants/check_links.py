"""Checks of the links of free lists that do not hold together, and of chunks that are in two places."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.double_links import double_links
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField
from gdbheap.analysis.invariants.single_links import single_links
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.lazy import np
from gdbheap.process.clause import clause
from gdbheap.process.fault import called


def check_links(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield the bad links of every list that the reader found broken, and the chunks that are listed twice."""
    for each in heap.view.bins:
        stray = heap.view.sizes_of(each.chunks) == 0
        if each.fault is None and not stray.any():
            continue
        if each.kind in ("tcache", "fastbin"):
            yield from single_links(heap, each)
        else:
            yield from double_links(heap, each)
    yield from _listed_twice(heap)


def _listed_twice(heap: CheckedHeap) -> Iterator[Finding]:
    lists = [each for each in heap.view.bins if each.chunks]
    if not lists:
        return
    chunks = np.concatenate([np.array(each.chunks, np.uint64) for each in lists])
    owner = np.repeat(np.arange(len(lists)), [len(each.chunks) for each in lists])
    values, counts = np.unique(chunks, return_counts=True)
    for chunk in values[counts > 1][:MOST_FINDINGS].tolist():
        places = [lists[index] for index in owner[chunks == np.uint64(chunk)].tolist()]
        where = chunk + heap.layout.header
        names = " and ".join(list_name(each) for each in places[:3])
        yield Violation(
            Invariant.LISTED_ONCE,
            called("chunk_in_two_free_lists"),
            Must(clause("link_one_list_only")),
            clause("none_once_malloc_hands_block_out"),
            clause("hold_freed_twice_link_overwritten", names=names),
        ).at(chunk, WrongField("fd", where, None), places[0].arena, places[0].thread)
