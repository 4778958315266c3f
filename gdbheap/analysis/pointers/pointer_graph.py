"""The pointer graph of a stopped process, read once: the common ground of leaks, owners and search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.allocators.blocks import Blocks
from gdbheap.allocators.heap import Heap
from gdbheap.analysis.pointers.graph import (
    PointerEdges,
    PointerFilter,
    Pointers,
    read_graph,
    read_pointers,
    unread_graph,
)
from gdbheap.analysis.pointers.guards import without_guards
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.analysis.pointers.missing import missing_parts, unsure_parts
from gdbheap.analysis.pointers.pointer_scan import PointerScan
from gdbheap.analysis.pointers.roots import RootRegister, Roots, find_roots
from gdbheap.analysis.pointers.thread_vectors import find_thread_vectors
from gdbheap.lazy import dataclass, np
from gdbheap.process.live.touched import out_of_reach, touched_spans
from gdbheap.process.memory import ReadProgress
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PointerGraph:
    """All live blocks, who points at whom, and from where in the roots: the common ground of leaks, owners and search.

    `from_roots` are the words of root ranges, `registers` (index in roots.registers, target, offset) those of
    registers. `unread` is how many bytes of roots could not be read. `blind`: what was not read may hold pointers
    (it is missing from a core, too large to be read from a remote process, in mappings that the target does not tell,
    or Ctrl-C cut the reading short, `interrupted`; what a live process does not let us read holds none: guard pages).
    `thread_vectors` are the blocks that are a thread's dtv. `hidden_in_roots` are the roots' words that may be encoded
    pointers (the graph has those of blocks). `missing` are the [start, end) that make it blind (of what Ctrl-C left
    out, and of what the target does not tell, nothing is told).
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
    hidden_in_roots: Hidden | None = None
    missing: tuple[tuple[int, int], ...] = ()


def read_pointer_graph(
    process: Process,
    heap: Heap,
    progress: ReadProgress | None = None,
    sieve: PointerScan | None = None,
    vectors: Sequence[RootRegister] = (),
) -> PointerGraph:
    """Read all roots (the `vectors` registers are given) and all live blocks, once; not what has gone through the
    `sieve` as the heap was walked. After a Ctrl-C (in that walk, or here) nothing more is read."""
    blocks = heap.blocks()
    roots = find_roots(process, heap, vectors)
    machine = process.machine
    ranges = [(each.start, each.end) for each in roots.ranges]
    spans = touched_spans(process, ranges) if heap.complete else ()
    hidden = Hidden(machine, blocks.ranges())
    words, unread = read_pointers(process.memory, PointerFilter(blocks, machine), spans, progress, hidden)
    from_roots = without_guards(words, blocks, process)
    too_far = out_of_reach(process, ranges)
    unread += too_far + sum(end - start for start, end in unsure_parts(process, ranges))
    interrupted = from_roots.interrupted or not heap.complete
    graph = (
        unread_graph(blocks, machine.pointer_size)
        if interrupted
        else read_graph(process.memory, blocks, machine, progress, sieve)
    )
    interrupted |= graph.interrupted
    registers = list(_into_blocks(blocks, roots.registers))
    missing = process.kind == "core" and bool(unread or graph.unread)
    blind = missing or interrupted or too_far > 0 or not process.address_space.known
    dtvs = find_thread_vectors(process.memory, graph.head, from_roots, machine.pointer_size)
    gone = missing_parts(process, [*ranges, *(blocks.ranges() if graph.unread else [])]) if blind else ()
    return PointerGraph(
        blocks, graph, roots, from_roots, tuple(registers), unread, blind, dtvs, interrupted, hidden, gone
    )


def _into_blocks(blocks: Blocks, registers: Sequence[RootRegister]) -> Iterator[tuple[int, int, int]]:
    """Yield those of the registers that point into a block: its index, the block, and the offset in that."""
    # (What cannot be an address is none of a block's, as 0 is.)
    values = np.array([each.value if 0 <= each.value < 1 << 64 else 0 for each in registers], np.uint64)
    target = blocks.starts.before(values)
    rows = np.flatnonzero(target >= 0)
    rows = rows[values[rows] < blocks.end[target[rows]]]
    offset = values[rows] - blocks.start[target[rows]]
    yield from zip(rows.tolist(), target[rows].tolist(), offset.tolist())
