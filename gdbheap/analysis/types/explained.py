"""Whether the pointers in a block are pointers of a type's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def explained(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return in which of the blocks all pointers into blocks that lie in such an object are pointers of its."""
    codes, size = state.layouts.of(number).codes, state.layouts.pointer_size
    edges = state.edges_of(blocks)
    word = state.graph.place[edges].astype(np.int64) // size
    inside = word < len(codes)
    code = codes[np.where(inside, word, 0)] if len(codes) else np.full(len(word), VOID)
    strange = inside & (code < 0) & (code != VOID) & (code != MIXED)
    wrong = np.zeros(len(state), np.int64)
    np.add.at(wrong, state.graph.source[edges[strange]], 1)
    found: NDArray[np.bool_] = wrong[blocks] == 0
    return found
