"""Leaks: which blocks nothing leads to any more, in Valgrind's words and by its rules."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.block_headers import find_headers
from gdbheap.analysis.leaks.encoded import Encoded, find_encoded
from gdbheap.analysis.leaks.entries import find_entries
from gdbheap.analysis.leaks.heuristics import ENCODED_POINTERS, HEURISTICS, STACK_POINTER, accept
from gdbheap.analysis.leaks.interior import InteriorPointers, from_elsewhere
from gdbheap.analysis.leaks.reasons import Reason, find_reasons
from gdbheap.analysis.leaks.remains import held_by_remains, unwritten
from gdbheap.analysis.leaks.saved_stacks import SavedStacks
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.blocks import Blocks, live_blocks
from gdbheap.analysis.pointers.graph import PointerEdges, Pointers, read_graph, read_pointers, unread_graph
from gdbheap.analysis.pointers.pointer_scan import PointerScan
from gdbheap.analysis.pointers.reach import UNSEEN, find_heads, spread
from gdbheap.analysis.pointers.roots import STACK, Roots, find_roots
from gdbheap.analysis.pointers.thread_vectors import find_thread_vectors
from gdbheap.glibc.heap_view import HeapView
from gdbheap.lazy import np
from gdbheap.process.live.touched import out_of_reach, touched_spans
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

Accept = Callable[[InteriorPointers], "NDArray[np.bool_]"]
FindHidden = Callable[["NDArray[np.bool_]"], Sequence[Encoded]]


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
class PointerGraph:
    """All live blocks, who points at whom, and from where in the roots: the common ground of leaks, owners and search.

    `from_roots` are the words of root ranges, `registers` (index in roots.registers, target, offset) those of registers.
    `unread` is how many bytes of roots could not be read. `blind`: what was not read may hold pointers (it is missing from a core, too large to
    be read from a remote process, or Ctrl-C cut the reading short, `interrupted`; what a live process does not let us read holds none: guard pages). `thread_vectors` are the blocks
    that are a thread's dtv.
    """

    blocks: Blocks
    graph: PointerEdges
    roots: Roots
    from_roots: Pointers
    registers: tuple[tuple[int, int, int], ...]
    unread: int
    blind: bool
    thread_vectors: NDArray[np.int32]
    interrupted: bool = False


@dataclass(frozen=True)
class Leaks:
    """A verdict for each block. `head` is, for a lost block, the definitely lost block that it hangs on (itself, if it is one), for a possibly
    lost one the entry (entries.py), whose `entry_offset` is where a root or a held block points into it; else -1 and NO_ENTRY.

    `by_heuristic` marks the blocks that are still reachable only because a heuristic took an interior pointer for one to the start,
    `by_remains` those that are only because of words in blocks that the program may never have written (remains.py), `by_stacks` those to
    which pointers to starts lead from registers and stacks (where thread-local storage lies too) alone. `by_encoding` marks the possibly
    lost ones that only words lead to which are pointers if they are decoded; `encoded` are those words (encoded.py). `reasons` are the
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
    reasons: tuple[Reason, ...] = ()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut short what the verdicts rest on."""
        return self.held.interrupted


def read_pointer_graph(
    process: Process, view: HeapView, progress: ReadProgress | None = None, sieve: PointerScan | None = None
) -> PointerGraph:
    """Read all roots and all live blocks, once; not what has gone through the `sieve` as the heap was walked. After a Ctrl-C (in that walk, or
    here) nothing more is read."""
    blocks = live_blocks(view)
    roots = find_roots(process, view)
    pointer_size = view.layout.pointer_size
    ranges = [(each.start, each.end) for each in roots.ranges]
    spans = touched_spans(process, ranges) if view.complete else ()
    from_roots, unread = read_pointers(process.memory, blocks, pointer_size, spans, progress)
    too_far = out_of_reach(process, ranges)
    unread += too_far
    interrupted = from_roots.interrupted or not view.complete
    graph = (
        unread_graph(blocks, pointer_size)
        if interrupted
        else read_graph(process.memory, blocks, pointer_size, progress, sieve)
    )
    interrupted |= graph.interrupted
    registers = []
    for index, register in enumerate(roots.registers):
        target = blocks.find(register.value)
        if target is not None:
            registers.append((index, target, register.value - int(blocks.start[target])))
    missing = process.kind == "core" and bool(unread or graph.unread)
    blind = missing or interrupted or too_far > 0
    vectors = find_thread_vectors(process.memory, graph.head, from_roots, pointer_size)
    return PointerGraph(blocks, graph, roots, from_roots, tuple(registers), unread, blind, vectors, interrupted)


def find_leaks(
    process: Process,
    view: HeapView,
    held: PointerGraph,
    heuristics: Sequence[str] = HEURISTICS,
    progress: ReadProgress | None = None,
) -> Leaks:
    """Return every block's verdict."""
    outer, to_start = from_elsewhere(held.graph, held.from_roots, [each[1:] for each in held.registers])
    headers = find_headers(outer, to_start, held.blocks.size, view.layout.pointer_size)
    stacks = SavedStacks(process, held.blocks)

    def taken(pointers: InteriorPointers, by: Sequence[str]) -> NDArray[np.bool_]:
        return accept(process, view.layout, held.blocks, held.graph.head, pointers, by, headers, stacks)

    def hidden(lost: NDArray[np.bool_]) -> list[Encoded]:
        if ENCODED_POINTERS not in heuristics or held.blind:
            return []
        spans = touched_spans(process, ((each.start, each.end) for each in held.roots.ranges))
        return find_encoded(
            process.memory, process.address_space, held.blocks, lost, view.layout.pointer_size, spans, progress
        )

    untouched = unwritten(view, held.blocks, held.graph.head)
    if STACK_POINTER in heuristics:
        untouched[stacks.among(outer, untouched)] = False
    leaks = judge(held, lambda pointers: taken(pointers, heuristics), untouched, hidden)
    reasons = find_reasons(outer, leaks.by_heuristic, heuristics, lambda pointers, name: taken(pointers, (name,)))
    return replace(leaks, reasons=tuple(reasons))


def judge(
    held: PointerGraph, accepted: Accept, untouched: NDArray[np.bool_], hidden: FindHidden = lambda _: ()
) -> Leaks:
    """Return every block's verdict; `accepted` says which interior pointers are as good as one to the start, `untouched` which blocks begin
    with what malloc left there, `hidden` which words are encoded pointers to blocks that look lost.

    A block is still reachable if a chain of pointers to starts leads to it from a root, possibly lost if only a chain with an interior
    or an encoded pointer in it does. Of the others, those that no other lost block leads to are definitely lost, and the rest hangs on them.
    """
    count = len(held.blocks)
    graph = held.graph
    target = np.concatenate((held.from_roots.target, np.array([each[1] for each in held.registers], np.int32)))
    offset = np.concatenate(
        (held.from_roots.offset, np.array([min(each[2], 0xFFFF_FFFF) for each in held.registers], np.uint32))
    )
    # (To libc's own vectors a pointer leads from each control block, behind their first entry.)
    offset[np.isin(target, held.thread_vectors)] = 0
    owner = np.full(count, UNSEEN, np.int32)
    starts = Adjacency(count, *_edges(graph, graph.offset == 0))
    lasting = (offset == 0) & ~_on_stacks(held)
    _reach(starts, target[lasting], owner)
    anchored = owner != UNSEEN
    _reach(starts, target[offset == 0], owner)
    direct = owner != UNSEEN
    _reach_by_heuristic(held, target, offset, owner, accepted)
    reachable = owner != UNSEEN
    roots = InteriorPointers(target, offset)
    by_remains = held_by_remains(graph, starts, roots, reachable, untouched, accepted)
    everything = Adjacency(count, graph.source, graph.target)
    beyond = graph.target[reachable[graph.source] & ~reachable[graph.target]]
    _reach(everything, np.concatenate((target, beyond)), owner)
    lost = owner == UNSEEN
    encoded = tuple(hidden(lost))
    if encoded:
        _reach(everything, np.concatenate([each.target for each in encoded]), owner)
    by_encoding = lost & (owner != UNSEEN)
    verdict = np.full(count, LeakKind.POSSIBLY_LOST, np.uint8)
    verdict[reachable] = LeakKind.STILL_REACHABLE
    _judge_lost(held, everything, owner, verdict)
    words = np.concatenate([np.empty(0, np.int32), *(each.target for each in encoded)])
    possible = verdict == LeakKind.POSSIBLY_LOST
    entry, entry_offset = find_entries(graph, everything, roots, words, reachable, possible)
    head = np.where(possible, entry, owner)
    return Leaks(
        held, verdict, head, entry_offset, reachable & ~direct, by_remains, direct & ~anchored, by_encoding, encoded
    )


def _judge_lost(
    held: PointerGraph, everything: Adjacency, owner: NDArray[np.int32], verdict: NDArray[np.uint8]
) -> None:
    """Set the verdict of the blocks whose owner is UNSEEN, and the owner: the head for these, -1 for all others."""
    graph = held.graph
    lost = owner == UNSEEN
    owner[~lost] = everything.count
    among = lost[graph.source] & lost[graph.target]
    find_heads(everything, graph.source[among], graph.target[among], owner)
    verdict[lost] = LeakKind.UNDECIDED if held.blind else LeakKind.INDIRECTLY_LOST
    if not held.blind:
        verdict[owner == np.arange(everything.count, dtype=np.int32)] = LeakKind.DEFINITELY_LOST
    owner[~lost] = -1


def _on_stacks(held: PointerGraph) -> NDArray[np.bool_]:
    """Return which of the pointers from roots, and after them those of registers, lie on stacks or in registers."""
    count = len(held.from_roots)
    found = np.ones(count + len(held.registers), np.bool_)
    ranges = held.roots.ranges
    if ranges:
        is_stack = np.array([each.kind == STACK for each in ranges], np.bool_)
        begin = np.array([each.start for each in ranges], np.uint64)
        index = np.searchsorted(begin, held.from_roots.place, side="right") - 1
        found[:count] = is_stack[index]
    return found


def _edges(graph: PointerEdges, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return graph.source[chosen], graph.target[chosen]


def _reach(graph: Adjacency, seeds: NDArray[np.int32], owner: NDArray[np.int32]) -> None:
    """Mark (with owner 0) all that can be reached from the seeds, themselves included."""
    # (np.unique would sort or hash a million seeds; a mark for each block is far cheaper.)
    marked = np.zeros(len(owner), np.bool_)
    marked[seeds] = True
    fresh = np.flatnonzero(marked & (owner == UNSEEN)).astype(np.int32)
    owner[fresh] = 0
    spread(graph, fresh, owner)


def _reach_by_heuristic(
    held: PointerGraph,
    target: NDArray[np.int32],
    offset: NDArray[np.uint32],
    owner: NDArray[np.int32],
    accepted: Accept,
) -> None:
    """Go on, over interior pointers that a heuristic accepts, to what no chain of pointers to starts has reached."""
    graph = held.graph
    open_roots = (owner[target] == UNSEEN) & (offset != 0)
    open_edges = (owner[graph.target] == UNSEEN) & (graph.offset != 0) & (graph.source != graph.target)
    if not (open_roots.any() or open_edges.any()):
        return
    seeds = target[open_roots]
    seeds = seeds[accepted(InteriorPointers(seeds, offset[open_roots]))]
    good = (owner[graph.target] == UNSEEN) & (graph.offset == 0)
    places = np.flatnonzero(open_edges)
    good[places[accepted(InteriorPointers(graph.target[places], graph.offset[places]))]] = True
    source, onward = _edges(graph, good)
    from_reached = owner[source] != UNSEEN
    _reach(Adjacency(len(owner), source, onward), np.concatenate((seeds, onward[from_reached])), owner)
