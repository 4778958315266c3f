"""Entries: of the possibly lost blocks those into which something that is held points. All others hang on them, as
indirectly lost blocks do on definitely lost ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.interior import InteriorPointers
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.adjacency import Adjacency
    from gdbheap.analysis.pointers.graph import PointerEdges

    Mask = NDArray[np.bool_]

# The offset of a block that is no entry.
NO_ENTRY = 0xFFFF_FFFF


@dataclass(frozen=True)
class WaysIn:
    """What may lead to a block from outside: the pointers of `roots`, those of the `held` blocks, and blocks that
    `encoded` words lead to."""

    roots: InteriorPointers
    encoded: NDArray[np.int32]
    held: Mask


def find_entries(
    graph: PointerEdges, everything: Adjacency, ways: WaysIn, possible: Mask
) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Return for each `possible` block the entry that it hangs on (itself, if it is one; -1 for all others), and for
    each entry the nearest to its start that a root or a `held` block points (0 for what `encoded` words lead to),
    NO_ENTRY for all others."""
    roots, encoded, held = ways.roots, ways.encoded, ways.held
    count = len(possible)
    offset = np.full(count, NO_ENTRY, np.uint32)
    owner = np.full(count, -1, np.int32)
    if not possible.any():
        return owner, offset
    from_blocks = held[graph.source] & possible[graph.target]
    from_roots = possible[roots.target]
    target = np.concatenate((graph.target[from_blocks], roots.target[from_roots], encoded))
    inside = np.concatenate((graph.offset[from_blocks], roots.offset[from_roots], np.zeros(len(encoded), np.uint32)))
    # The nearest to the start comes last, and stays.
    order = np.argsort(inside, kind="stable")[::-1]
    offset[target[order]] = inside[order]
    offset[~possible] = NO_ENTRY
    entries = np.flatnonzero(offset != NO_ENTRY).astype(np.int32)
    owner = np.where(possible, np.int32(UNSEEN), np.int32(count)).astype(np.int32)
    owner[entries] = entries
    spread(everything, entries, owner)
    owner[~possible] = -1
    return owner, offset
