"""Which live blocks keep free memory from being returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.sentences.culprits import Culprits
from gdbheap.session.block_kinds import block_kinds
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.retained import nearest_name, retained
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.allocators.heap import Heap

# Less free memory than this between live blocks needs no culprits.
_LEAST_SPREAD = 1 << 20


def find_culprits(target: Target, heap: Heap) -> Culprits | None:
    """Return them; None where little free memory lies between live blocks."""
    from gdbheap.analysis.memory_use.culprits import scattered  # kept out of gdb's start

    found = scattered(heap)
    if found.spread - found.bytes < _LEAST_SPREAD or not len(found.blocks):
        return None
    taken = heap.blocks().size[found.blocks]
    sizes, counts = np.unique(taken, return_counts=True)
    size, count = int(sizes[np.argmax(counts)]), int(counts.max())
    blocks = found.blocks[taken == np.uint64(size)]
    kinds = block_kinds(target)
    codes, first, alike = np.unique(kinds.code[blocks], return_index=True, return_counts=True)
    if not len(codes):
        return None
    block = int(blocks[first[np.argmax(alike)]])
    start = int(pointer_graph(target).blocks.start[block])
    holder = nearest_name(target, retained(target), block)
    return Culprits(len(found.blocks), found.bytes, found.spread, size, count, kinds.name(block), start, holder)
