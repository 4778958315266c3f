"""Memory aligned by hand: more than was needed is taken from malloc, a place inside is rounded up and used, and what
malloc returned is kept in the word before that place (by most) or in its second word (by ld.so, dlfo_mappings_segment
in elf/dl-find_object.c), for free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.allocators.heap import Sizing
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.allocators.blocks import Blocks
    from gdbheap.analysis.pointers.graph import PointerEdges


class AlignedInside:
    """Tells pointers to such places: they are aligned to more than malloc does, and the word before, or the second
    one, is the block's own start. The first two words of a block count only where other blocks have shown what is
    done here: an empty list's head points to itself as well."""

    def __init__(self, layout: Sizing, blocks: Blocks, graph: PointerEdges) -> None:
        self._blocks = blocks
        self._word = np.uint64(layout.pointer_size)
        self._alignment = np.uint64(2 * layout.alignment)
        own = (graph.source == graph.target) & (graph.offset == 0)
        kept, place = graph.source[own], graph.place[own].astype(np.uint64)
        self._at_front = _keys(kept, place)
        self._kept = self._at_front[place >= 2 * self._word]

    def at(self, target: NDArray[np.int32], offset: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Return which of the pointers to these offsets of the targets lead to such a place."""
        if not len(self._kept):
            return np.zeros(len(target), np.bool_)
        aligned = (self._blocks.start[target] + offset) % self._alignment == 0
        before, after = (_keys(target, place) for place in (offset - self._word, offset + self._word))
        found: NDArray[np.bool_] = aligned & (np.isin(before, self._kept) | np.isin(after, self._kept))
        return found | aligned & np.isin(before, self._at_front) if found.any() else found


def _keys(block: NDArray[np.int32], place: NDArray[np.uint64]) -> NDArray[np.uint64]:
    keys: NDArray[np.uint64] = block.astype(np.uint64) << np.uint64(32) | place
    return keys
