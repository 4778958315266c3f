"""Leaks: which blocks nothing leads to any more, in Valgrind's words and by its rules."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.allocators.heap import Heap
from gdbheap.analysis.leaks.aligned_inside import AlignedInside
from gdbheap.analysis.leaks.block_headers import find_headers
from gdbheap.analysis.leaks.cycles import lead_by_owners
from gdbheap.analysis.leaks.encoded import Encoded, Searched, find_encoded
from gdbheap.analysis.leaks.entries import WaysIn, find_entries
from gdbheap.analysis.leaks.heuristics import ENCODED_POINTERS, HEURISTICS, STACK_POINTER, Inside, accept
from gdbheap.analysis.leaks.interior import InteriorPointers, from_elsewhere
from gdbheap.analysis.leaks.reaching import Accept, edges, reach, reach_by_heuristic, reach_encoded
from gdbheap.analysis.leaks.reasons import Reason, find_reasons
from gdbheap.analysis.leaks.remains import Reached, held_by_remains
from gdbheap.analysis.leaks.saved_stacks import SavedStacks
from gdbheap.analysis.leaks.signal_stacks import find_signal_stacks
from gdbheap.analysis.leaks.typed_pointers import as_typed
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.reach import UNSEEN, find_heads
from gdbheap.analysis.pointers.roots import DTV, REGISTER, STACK
from gdbheap.lazy import dataclass, np
from gdbheap.process.live.touched import touched_spans
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.types.block_types import BlockTypes

FindHidden = Callable[["NDArray[np.bool_]"], Sequence[Encoded]]
FindBlocks = Callable[["NDArray[np.bool_]"], "NDArray[np.int32]"]


class LeakKind(enum.IntEnum):
    """What is known of a block. `label` is the published name.

    UNDECIDED: nothing that could be read leads to it, but not all could be read.
    """

    DEFINITELY_LOST = 0
    INDIRECTLY_LOST = 1
    POSSIBLY_LOST = 2
    STILL_REACHABLE = 3
    UNDECIDED = 4

    @property
    def label(self) -> str:
        """The name in text and JSON: "definitely_lost", ..."""
        return self.name.lower()


@dataclass(frozen=True)
class Leaks:
    """A verdict for each block. `head` is, for a lost block, the definitely lost block that it hangs on (itself, if it
    is one), for a possibly lost one the entry (entries.py), whose `entry_offset` is where a root or a held block
    points into it; else -1 and NO_ENTRY.

    `by_heuristic` marks the blocks that are still reachable only because a heuristic took an interior pointer for
    one to the start, `by_remains` those that are only because of words in blocks that the program may never have
    written (remains.py), `by_stacks` those to which pointers to starts lead from registers and stacks (where
    thread-local storage lies too) alone. `by_encoding` marks the possibly lost ones that only words lead to which
    are pointers if they are decoded; `encoded` are those words (encoded.py). `signal_stacks` are possibly lost
    because they are as large as one (signal_stacks.py). `reasons` are the
    heuristics behind `by_heuristic`.
    """

    held: PointerGraph
    verdict: NDArray[np.uint8]
    head: NDArray[np.int32]
    entry_offset: NDArray[np.uint32]
    by_heuristic: NDArray[np.bool_]
    by_remains: NDArray[np.bool_]
    by_stacks: NDArray[np.bool_]
    by_encoding: NDArray[np.bool_]
    encoded: tuple[Encoded, ...]
    signal_stacks: NDArray[np.int32]
    reasons: tuple[Reason, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut short what the verdicts rest on."""
        return self.held.interrupted


@dataclass(frozen=True)
class Judging:
    """How blocks are judged: by which heuristics, and by `types`, which tell of pointers what they mean."""

    heuristics: Sequence[str] = HEURISTICS
    types: BlockTypes | None = None


_BY_ALL = Judging()


def find_leaks(
    process: Process,
    heap: Heap,
    held: PointerGraph,
    by: Judging = _BY_ALL,
    progress: ReadProgress | None = None,
) -> Leaks:
    """Return every block's verdict."""
    read, heuristics, types = held, by.heuristics, by.types
    if types is not None:
        held = as_typed(held, types)
    outer, to_start = from_elsewhere(held.graph, held.from_roots, [each[1:] for each in held.registers])
    headers = find_headers(outer, to_start, held.blocks.size, heap.layout.pointer_size, heap.layout.page_size)
    aligned = AlignedInside(heap.layout, held.blocks, held.graph)
    stacks = SavedStacks(process, held.blocks)
    inside = Inside(process, heap.layout, held.blocks, held.graph.head, headers, aligned, stacks)

    def taken(pointers: InteriorPointers, by: Sequence[str]) -> NDArray[np.bool_]:
        return accept(inside, pointers, by)

    def hidden(lost: NDArray[np.bool_]) -> list[Encoded]:
        in_roots, in_blocks = held.hidden_in_roots, held.graph.hidden
        if ENCODED_POINTERS not in heuristics or held.interrupted or in_roots is None or in_blocks is None:
            return []
        spans = touched_spans(process, ((each.start, each.end) for each in held.roots.ranges))
        memory, space, machine = process.memory, process.address_space, process.machine
        return find_encoded(Searched(memory, space, held.blocks, machine, spans, in_roots, in_blocks), lost, progress)

    untouched = heap.unwritten(held.blocks, held.graph.head)
    if STACK_POINTER in heuristics:
        untouched[stacks.among(read, untouched)] = False

    def stacks_of_signals(lost: NDArray[np.bool_]) -> NDArray[np.int32]:
        return find_signal_stacks(process, held.blocks, lost)

    leaks = judge(held, lambda pointers: taken(pointers, heuristics), untouched, hidden, stacks_of_signals)
    reasons = find_reasons(outer, leaks.by_heuristic, heuristics, lambda pointers, name: taken(pointers, (name,)))
    return replace(leaks, held=read, reasons=tuple(reasons))


def judge(
    held: PointerGraph,
    accepted: Accept,
    untouched: NDArray[np.bool_],
    hidden: FindHidden = lambda _: (),
    stacks_of_signals: FindBlocks = lambda _: np.empty(0, np.int32),
) -> Leaks:
    """Return every block's verdict; `accepted` says which interior pointers are as good as one to the start,
    `untouched` which blocks begin with what malloc left there, `hidden` which words are encoded pointers to blocks
    that look lost, `stacks_of_signals` which of these are.

    A block is still reachable if a chain of pointers to starts leads to it from a root, possibly lost if only a
    chain with an interior or an encoded pointer in it does, or one from a signal's stack. Of the others, those that
    no other lost block leads to are definitely lost, and the rest hangs on them.
    """
    graph, roots = held.graph, _pointers_from_roots(held)
    count = len(held.blocks)
    owner = np.full(count, UNSEEN, np.int32)
    alive = _find_reachable(held, roots, accepted, untouched, owner)
    everything = Adjacency(count, graph.source, graph.target)
    beyond = graph.target[alive.reachable[graph.source] & ~alive.reachable[graph.target]]
    reach(everything, np.concatenate((roots.target, beyond)), owner)
    signal_stacks = stacks_of_signals(owner == UNSEEN)
    reach(everything, signal_stacks, owner)
    lost = owner == UNSEEN
    encoded = reach_encoded(graph, tuple(hidden(lost)), lost, owner)
    by_encoding = lost & (owner != UNSEEN)
    verdict = np.full(count, LeakKind.POSSIBLY_LOST, np.uint8)
    verdict[alive.reachable] = LeakKind.STILL_REACHABLE
    _judge_lost(held, everything, owner, verdict)
    words = np.concatenate([signal_stacks, *(each.target for each in encoded)])
    possible = verdict == LeakKind.POSSIBLY_LOST
    entry, entry_offset = find_entries(graph, everything, WaysIn(roots, words, alive.reachable), possible)
    return Leaks(
        held=held,
        verdict=verdict,
        head=np.where(possible, entry, owner),
        entry_offset=entry_offset,
        by_heuristic=alive.reachable & ~alive.direct,
        by_remains=alive.by_remains,
        by_stacks=alive.direct & ~alive.anchored,
        by_encoding=by_encoding,
        encoded=encoded,
        signal_stacks=signal_stacks,
    )


@dataclass(frozen=True)
class _Alive:
    """The blocks that are `reachable`: `direct` by pointers to starts alone, `anchored` if such a chain begins
    neither on a stack nor in a register; `by_remains` as Leaks has it."""

    reachable: NDArray[np.bool_]
    direct: NDArray[np.bool_]
    anchored: NDArray[np.bool_]
    by_remains: NDArray[np.bool_]


def _pointers_from_roots(held: PointerGraph) -> InteriorPointers:
    """Return the pointers into blocks from root memory, and after them those from registers."""
    target = np.concatenate((held.from_roots.target, np.array([each[1] for each in held.registers], np.int32)))
    offset = np.concatenate(
        (held.from_roots.offset, np.array([min(each[2], 0xFFFF_FFFF) for each in held.registers], np.uint32))
    )
    # (To libc's own vectors a pointer leads from each control block, behind their first entry.)
    offset[np.isin(target, held.thread_vectors)] = 0
    return InteriorPointers(target, offset)


def _find_reachable(
    held: PointerGraph,
    roots: InteriorPointers,
    accepted: Accept,
    untouched: NDArray[np.bool_],
    owner: NDArray[np.int32],
) -> _Alive:
    """Return what `roots` keep alive; mark it in `owner`, which is all UNSEEN."""
    graph = held.graph
    to_start = roots.offset == 0
    starts = Adjacency(len(owner), *edges(graph, graph.offset == 0))
    reach(starts, roots.target[to_start & ~_on_stacks(held)], owner)
    anchored = owner != UNSEEN
    reach(starts, roots.target[to_start], owner)
    direct = owner != UNSEEN
    reach_by_heuristic(graph, roots.target, roots.offset, owner, accepted)
    reachable = owner != UNSEEN
    by_remains = held_by_remains(Reached(graph, starts, roots, reachable, accepted), untouched)
    return _Alive(reachable, direct, anchored, by_remains)


def _judge_lost(
    held: PointerGraph, everything: Adjacency, owner: NDArray[np.int32], verdict: NDArray[np.uint8]
) -> None:
    """Set the verdict of the blocks whose owner is UNSEEN, and the owner: the head for these, -1 for all others."""
    graph = held.graph
    lost = owner == UNSEEN
    owner[~lost] = everything.count
    among = lost[graph.source] & lost[graph.target]
    find_heads(everything, graph.source[among], graph.target[among], owner)
    lead_by_owners(graph, held.blocks.size, owner)
    verdict[lost] = LeakKind.UNDECIDED if held.blind else LeakKind.INDIRECTLY_LOST
    if not held.blind:
        verdict[owner == np.arange(everything.count, dtype=np.int32)] = LeakKind.DEFINITELY_LOST
    owner[~lost] = -1


def _on_stacks(held: PointerGraph) -> NDArray[np.bool_]:
    """Return which of the pointers from roots, and after them those of registers, lie on stacks or in registers."""
    count = len(held.from_roots)
    found = np.ones(count + len(held.registers), np.bool_)
    registers = (held.roots.registers[index] for index, _, _ in held.registers)
    found[count:] = [each.kind == REGISTER and each.register != DTV for each in registers]
    ranges = held.roots.ranges
    if ranges:
        is_stack = np.array([each.kind == STACK for each in ranges], np.bool_)
        begin = np.array([each.start for each in ranges], np.uint64)
        index = np.searchsorted(begin, held.from_roots.place, side="right") - 1
        found[:count] = is_stack[index]
    return found
