"""check: every invariant of malloc's, over a whole HeapView."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gdbheap.analysis.corruption.check_arena_state import check_arena_states
from gdbheap.analysis.corruption.check_arenas import check_arenas
from gdbheap.analysis.corruption.check_bins import check_bins
from gdbheap.analysis.corruption.check_chunks import check_chunks
from gdbheap.analysis.corruption.check_mmapped import check_mmapped
from gdbheap.analysis.corruption.check_parameters import check_parameters
from gdbheap.analysis.corruption.check_tcache import check_tcaches
from gdbheap.analysis.corruption.checked_heap import CheckedHeap
from gdbheap.analysis.corruption.finding import Finding
from gdbheap.analysis.corruption.mid_operation import MidOperation, mid_operation
from gdbheap.analysis.corruption.reader_faults import told_by_the_reader
from gdbheap.lazy import np
from gdbheap.malloc.chunk_table import MMAPPED_ARENA
from gdbheap.malloc.heap_view import HeapView
from gdbheap.process.process import Process


@dataclass(frozen=True)
class Checked:
    """How much was checked. `arena` is an index, MMAPPED_ARENA for the chunks with mappings of their own, None for the tcaches."""

    arena: int | None
    chunks: int
    lists: int
    listed: int


@dataclass(frozen=True)
class Examination:
    """What check() returns: `findings` in the order of the broken fields' addresses, `checked` by arena, and whether a call is under way."""

    findings: tuple[Finding, ...]
    checked: tuple[Checked, ...]
    busy: MidOperation

    @property
    def certain(self) -> tuple[Finding, ...]:
        """What no call under way can explain."""
        return tuple(each for each in self.findings if not each.transient)


def check(
    process: Process, view: HeapView, inside: Mapping[int, str] | None = None, dying: bool = False
) -> Examination:
    """Check every invariant; `inside` are the threads that are in a call of malloc's (lwp -> its name), where that is known; `dying` where a
    thread has found the heap corrupt itself, and is in an abort of malloc's."""
    heap = CheckedHeap(process, view)
    findings: dict[tuple[int, str], Finding] = {}
    for each in (
        *told_by_the_reader(heap),
        *check_arenas(heap),
        *check_arena_states(heap),
        *check_parameters(heap),
        *check_mmapped(heap),
        *check_bins(heap),
        *check_tcaches(heap),
        *check_chunks(heap),
    ):
        findings.setdefault((each.where, each.field), each)
    busy = mid_operation(view, inside or {}, len(process.threads), dying)
    ordered = sorted(findings.values(), key=lambda each: each.where)
    return Examination(
        tuple(replace(each, transient=_may_be_transient(each, busy)) for each in ordered),
        tuple(_checked(view)),
        busy,
    )


def _may_be_transient(each: Finding, busy: MidOperation) -> bool:
    if each.thread is not None:
        return each.thread in busy.threads
    if each.arena is None or each.arena == MMAPPED_ARENA:
        return bool(busy)
    return each.arena in busy.arenas


def _checked(view: HeapView) -> Iterator[Checked]:
    arenas, counts = np.unique(view.table.arena, return_counts=True)
    chunks = dict(zip(arenas.tolist(), counts.tolist()))
    for arena in sorted({*chunks, *(each.index for each in view.arenas)}):
        lists = [each for each in view.bins if each.arena == arena]
        yield Checked(arena, chunks.get(arena, 0), len(lists), sum(len(each.chunks) for each in lists))
    lists = [each for each in view.bins if each.arena is None]
    yield Checked(None, 0, len(lists), sum(len(each.chunks) for each in lists))
