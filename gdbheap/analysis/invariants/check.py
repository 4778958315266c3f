"""find_violations: every invariant of malloc's, over a whole HeapView."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gdbheap.analysis.call_stacks.in_progress_call import InProgressCall, mid_operation
from gdbheap.analysis.invariants.check_arena_state import check_arena_states
from gdbheap.analysis.invariants.check_arenas import check_arenas
from gdbheap.analysis.invariants.check_bins import check_bins
from gdbheap.analysis.invariants.check_chunks import check_chunks
from gdbheap.analysis.invariants.check_mmapped import check_mmapped
from gdbheap.analysis.invariants.check_parameters import check_parameters
from gdbheap.analysis.invariants.check_tcache import check_tcaches
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.invariants.free_sizes import wrong_free_sizes
from gdbheap.analysis.invariants.reader_faults import told_by_the_reader
from gdbheap.glibc.chunk_table import MMAPPED_ARENA
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import dataclass, np
from gdbheap.process.process import Process


@dataclass(frozen=True)
class Coverage:
    """How much was checked. `arena` is an index, MMAPPED_ARENA for the chunks with mappings of their own, None for
    the tcaches; `unknown` are the threads whose tcaches are not known."""

    arena: int | None
    chunks: int
    lists: int
    listed: int
    unknown: int = 0


@dataclass(frozen=True)
class CheckResult:
    """What judge() returns: `findings` in the order of the broken fields' addresses, `checked` by arena, and whether
    a call is under way."""

    findings: tuple[Finding, ...]
    checked: tuple[Coverage, ...]
    busy: InProgressCall

    @property
    def certain(self) -> tuple[Finding, ...]:
        """What no call under way can explain."""
        return tuple(each for each in self.findings if not each.transient)


@dataclass(frozen=True)
class Violations:
    """Every invariant held against the heap, whoever may be changing it: CheckResult's `findings` and `checked`."""

    findings: tuple[Finding, ...]
    checked: tuple[Coverage, ...]


def find_violations(process: Process, view: HeapView) -> Violations:
    """Check every invariant: what takes long, and is the same for everybody who asks at this stop."""
    heap = CheckedHeap(process, view)
    sizes = tuple(wrong_free_sizes(heap))
    findings = {(each.finding.where, each.finding.field): each.finding for each in sizes}
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
        if not any(size.explains(each) for size in sizes):
            findings.setdefault((each.where, each.field), each)
    ordered = sorted(_with_what_lists_wrote(heap, findings.values()), key=lambda each: each.where)
    return Violations(tuple(ordered), tuple(_checked(process, view)))


def judge(
    found: Violations, process: Process, view: HeapView, inside: Mapping[int, str] | None = None, dying: bool = False
) -> CheckResult:
    """Return what was found, and what of it a call under way may explain; `inside` are the threads that are in a call
    of malloc's (lwp -> its name), where that is known; `dying` where a thread has found the heap corrupt itself, and
    is in an abort of malloc's."""
    busy = mid_operation(view, inside or {}, len(process.threads), dying)
    findings = tuple(replace(each, transient=_may_be_transient(each, busy)) for each in found.findings)
    return CheckResult(findings, found.checked, busy)


def _with_what_lists_wrote(heap: CheckedHeap, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the Findings; those of the words where a list keeps its link and its key, in what is no block, as what
    the list did."""
    found = list(findings)
    listed = {each.listed.mem: each.listed for each in found if each.listed is not None and each.thread is not None}
    for each in found:
        by = listed.get(each.where) or listed.get(each.where - heap.layout.pointer_size)
        yield each if by is None or each.listed is not None else replace(each, listed=by)


def _may_be_transient(each: Finding, busy: InProgressCall) -> bool:
    if each.thread is not None:
        return each.thread in busy.threads
    if each.arena is None or each.arena == MMAPPED_ARENA:
        return bool(busy)
    return each.arena in busy.arenas


def _checked(process: Process, view: HeapView) -> Iterator[Coverage]:
    arenas, counts = np.unique(view.table.arena, return_counts=True)
    chunks = dict(zip(arenas.tolist(), counts.tolist()))
    for arena in sorted({*chunks, *(each.index for each in view.arenas)}):
        lists = [each for each in view.bins if each.arena == arena]
        yield Coverage(arena, chunks.get(arena, 0), len(lists), sum(len(each.chunks) for each in lists))
    lists = [each for each in view.bins if each.arena is None]
    unknown = len(view.layout.unknown_tcaches) + len(process.unheld)
    yield Coverage(None, 0, len(lists), sum(len(each.chunks) for each in lists), unknown)
