"""Which root words count as holders: a word on a stack or in a register robs no variable of what it holds.

What the modules' data lead to is theirs, before what the C library's own variables do: these keep what they were lent,
and old words. Other mappings hold what is left of it, then what the kernel keeps for the
process (a server's connections, for epoll), then stacks, at last registers. On a
stack what a caller holds is not shared with the functions that it has handed it to: of one thread's words the named
variables come first, then the outer frames. What two threads hold they share.
Blocks that only such roots lead to rob no variable either.

In a block whose type is known, a word that is no pointer by that type (an old one in a string's buffer), a weak
pointer's, and one in a buffer of bytes, holds what nothing else does, and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.analysis.pointers.roots import DATA, KERNEL, LOST_TRAIL, MAPPING, STACK
from gdbheap.analysis.retained.buffers import edges_of_buffers
from gdbheap.analysis.retained.root_groups import GLOBAL, LOCAL, STATIC, THREAD_LOCAL, RootGroups
from gdbheap.analysis.retained.weak_pointers import weak_edges, weak_words
from gdbheap.analysis.types.block_types import BlockTypes, Confidence
from gdbheap.lazy import dataclass, np
from gdbheap.types.catalogue import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

# Whose a block is, as far as it matters: of the data's, of the C library's, of a mapping's, of the stack of thread n
# (n + _STACKS).
_DATA, _C_LIBRARY, _MAPPING, _REGISTER, _STACKS = 0, 1, 2, 3, 4


def register_targets(held: PointerGraph) -> NDArray[np.int32]:
    """Return the block that each of PointerGraph.registers points to."""
    return np.array([target for _, target, _ in held.registers], np.int32)


@dataclass(frozen=True)
class Kept:
    """The rows of PointerGraph's graph, from_roots and registers that hold something of their own, and which blocks are
    `held` by any."""

    edges: Rows
    words: Rows
    registers: Rows
    held: NDArray[np.bool_]


def kept_roots(held: PointerGraph, groups: RootGroups, types: BlockTypes) -> Kept:
    """Return what counts as holding something."""
    target, registers = held.from_roots.target, register_targets(held)
    in_kernel = np.array([held.roots.registers[index].kind == KERNEL for index, _, _ in held.registers], np.bool_)
    in_data = groups.kind_of_words(GLOBAL, STATIC, THREAD_LOCAL, DATA)
    is_weak = weak_words(held, groups, types)
    data = np.flatnonzero(in_data & ~groups.of_c_library & ~is_weak)
    first = target[data]
    edges = _edges(held, groups, types, first)
    graph = Adjacency(len(held.blocks), held.graph.source[edges], held.graph.target[edges])
    owner = np.full(graph.count, UNSEEN, np.int32)
    _give(graph, owner, first, _DATA)
    weak = np.flatnonzero(in_data & ~groups.of_c_library & is_weak)
    weak = weak[owner[target[weak]] == UNSEEN]
    _give(graph, owner, target[weak], _DATA)
    library = np.flatnonzero(in_data & groups.of_c_library)
    library = library[owner[target[library]] == UNSEEN]
    _give(graph, owner, target[library], _C_LIBRARY)
    mapped = np.flatnonzero(groups.kind_of_words(MAPPING, LOST_TRAIL))
    mapped = mapped[owner[target[mapped]] == UNSEEN]
    _give(graph, owner, target[mapped], _MAPPING)
    kernel = np.flatnonzero(in_kernel)
    kernel = kernel[owner[registers[kernel]] == UNSEEN]
    _give(graph, owner, registers[kernel], _MAPPING)
    stacks = _one_by_one(graph, owner, target, *_on_stacks(held, groups))
    others = np.flatnonzero(~in_kernel)
    last = _one_by_one(graph, owner, registers, others, np.full(len(others), _REGISTER))
    # A block that only a later kind of root leads to robs as little as that root itself.
    rank = np.where(owner >= _STACKS, _STACKS, owner)
    edges = edges[rank[held.graph.source[edges]] == rank[held.graph.target[edges]]]
    return Kept(
        edges,
        np.concatenate((data, weak, library, mapped, stacks)),
        np.concatenate((kernel, last)).astype(np.intp),
        owner != UNSEEN,
    )


def _edges(held: PointerGraph, groups: RootGroups, types: BlockTypes, first: NDArray[np.int32]) -> Rows:
    """Return the edges that hold something: those of typed blocks that are no pointers only where `first` (the blocks
    that data lead to) leads to their targets in no other way; of blocks that data do not lead to where nothing does."""
    source, target = held.graph.source, held.graph.target
    is_weak = (types.type[source] != NONE) & (types.confidence[source] >= Confidence.LIKELY) & ~types.firm
    is_weak |= weak_edges(held, types) | edges_of_buffers(held, groups, types)
    alive = ~types.dead
    weak = np.flatnonzero(alive & is_weak)
    if not len(weak):
        return np.flatnonzero(alive)
    strong = np.flatnonzero(alive & ~is_weak)
    graph = Adjacency(len(held.blocks), source[strong], target[strong])
    idle = _reached(graph, first)[target[weak]]
    every = Adjacency(len(held.blocks), source[alive], target[alive])
    others = ~idle & ~_reached(every, first)[source[weak]]
    if others.any():
        idle |= others & _reached(graph, np.concatenate((held.from_roots.target, register_targets(held))))[target[weak]]
    alive[weak[idle]] = False
    return np.flatnonzero(alive)


def _reached(graph: Adjacency, first: NDArray[np.int32]) -> NDArray[np.bool_]:
    owner = np.full(graph.count, UNSEEN, np.int32)
    _give(graph, owner, first, _DATA)
    reached: NDArray[np.bool_] = owner != UNSEEN
    return reached


def _give(graph: Adjacency, owner: NDArray[np.int32], target: NDArray[np.int32], whose: int) -> None:
    fresh = np.zeros(graph.count, np.bool_)
    fresh[target] = True
    front = np.flatnonzero(fresh & (owner == UNSEEN)).astype(np.int32)
    owner[front] = whose
    spread(graph, front, owner)


def _on_stacks(held: PointerGraph, groups: RootGroups) -> tuple[Rows, NDArray[np.intp]]:
    """Return the rows of words on stacks, and whose each is: the named variables' first, of each the outermost
    first."""
    named, others = (np.flatnonzero(groups.kind_of_words(kind))[::-1] for kind in (LOCAL, STACK))
    rows = np.concatenate((named, others))
    starts = np.array([each.start for each in held.roots.ranges], np.uint64)
    threads = np.array([each.thread or 0 for each in held.roots.ranges], np.intp)
    if not len(rows):
        return rows, rows
    ranges = np.searchsorted(starts, held.from_roots.place[rows], side="right") - 1
    return rows, threads[np.maximum(ranges, 0)] + _STACKS


def _one_by_one(
    graph: Adjacency, owner: NDArray[np.int32], target: NDArray[np.int32], rows: Rows, whose: NDArray[np.intp]
) -> Rows:
    """Return which of these words keep what they point to: the first ones, and those of another thread's stack."""
    fresh = owner[target[rows]] == UNSEEN
    kept = []
    for row, block, mine in zip(rows[fresh].tolist(), target[rows[fresh]].tolist(), whose[fresh].tolist()):
        theirs = owner[block]
        if theirs == UNSEEN:
            owner[block] = mine
            if graph.leads[block]:
                spread(graph, np.array([block], np.int32), owner)
        if theirs == UNSEEN or (theirs >= _STACKS and mine >= _STACKS and theirs != mine):
            kept.append(row)
    return np.array(kept, np.intp)
