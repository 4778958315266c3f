"""The pointers to one block alone: one pass over all that may hold some, for questions about one block of a large
heap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import Heap
from gdbheap.analysis.pointers.graph import PointerEdges, PointerFilter, Pointers, read_pointers
from gdbheap.analysis.pointers.guards import without_guards
from gdbheap.analysis.pointers.missing import unsure_parts
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import RootRegister, find_roots
from gdbheap.lazy import np
from gdbheap.process.live.touched import out_of_reach, touched_spans
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_pointers_to(
    process: Process,
    heap: Heap,
    block: int,
    vectors: Sequence[RootRegister] = (),
    progress: ReadProgress | None = None,
) -> PointerGraph:
    """Return a pointer graph in which only the pointers to the block are: nothing of it tells who leads to whom
    else."""
    machine, memory, blocks, here = process.machine, process.memory, heap.blocks(), slice(block, block + 1)
    one = Blocks(blocks.start[here], blocks.end[here], blocks.size[here], blocks.row[here])
    roots = find_roots(process, heap, vectors)
    ranges = [(each.start, each.end) for each in roots.ranges]
    outside, unread = read_pointers(memory, PointerFilter(one, machine), touched_spans(process, ranges), progress)
    outside = without_guards(outside, one, process)
    inside, unread_blocks = read_pointers(memory, PointerFilter(one, machine), blocks.ranges(), progress)
    too_far = out_of_reach(process, ranges)
    unread += too_far + sum(end - start for start, end in unsure_parts(process, ranges))
    start, end = int(blocks.start[block]), int(blocks.end[block])
    registers = tuple(
        (index, block, each.value - start) for index, each in enumerate(roots.registers) if start <= each.value < end
    )
    interrupted = outside.interrupted or inside.interrupted or not heap.complete
    missing = process.kind == "core" and bool(unread or unread_blocks)
    return PointerGraph(
        blocks,
        _edges(blocks, block, inside, unread_blocks),
        roots,
        Pointers(outside.place, np.full(len(outside), block, np.int32), outside.offset),
        registers,
        unread,
        missing or interrupted or too_far > 0 or not process.address_space.known,
        np.empty(0, np.int32),
        interrupted,
    )


def _edges(blocks: Blocks, block: int, found: Pointers, unread: int) -> PointerEdges:
    """Return the words that lie in blocks as edges to the one."""
    source = np.maximum(np.searchsorted(blocks.start, found.place, side="right") - 1, 0)
    within: NDArray[np.bool_] = (found.place >= blocks.start[source]) & (found.place < blocks.end[source])
    source, place = source[within], found.place[within]
    return PointerEdges(
        source.astype(np.int32),
        np.minimum(place - blocks.start[source], np.uint64(0xFFFF_FFFF)).astype(np.uint32),
        np.full(len(source), block, np.int32),
        found.offset[within],
        np.empty((0, 2), np.uint64),
        unread,
    )
