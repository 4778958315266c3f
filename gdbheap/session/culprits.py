"""Which live blocks keep free memory from going back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.sentences.culprits import Culprits
from gdbheap.session.block_kinds import block_kinds
from gdbheap.session.pointer_graph import pointer_graph
from gdbheap.session.retained import nearest_name, retained
from gdbheap.session.target import Target

if TYPE_CHECKING:
    from gdbheap.glibc.heap_view import HeapView

# Less free memory than this between live blocks needs no culprits.
_LEAST_SPREAD = 1 << 20


def find_culprits(target: Target, view: HeapView) -> Culprits | None:
    """Return them; None where little free memory lies between live blocks."""
    from gdbheap.analysis.memory_use.culprits import scattered  # kept out of gdb's start

    found = scattered(view)
    if found.spread - found.bytes < _LEAST_SPREAD or not len(found.rows):
        return None
    sizes, counts = np.unique(view.table.size[found.rows], return_counts=True)
    size, count = int(sizes[np.argmax(counts)]), int(counts.max())
    rows = found.rows[view.table.size[found.rows] == np.uint64(size)]
    blocks = np.flatnonzero(np.isin(pointer_graph(target).blocks.row, rows))
    kinds = block_kinds(target)
    codes, first, alike = np.unique(kinds.code[blocks], return_index=True, return_counts=True)
    if not len(codes):
        return None
    block = int(blocks[first[np.argmax(alike)]])
    start = int(pointer_graph(target).blocks.start[block])
    holder = nearest_name(target, retained(target), block)
    return Culprits(len(found.rows), found.bytes, found.spread, size, count, kinds.name(block), start, holder)
