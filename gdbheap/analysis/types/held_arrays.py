"""Arrays of pointers that a container says it has: whatever has been written into them yet."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.types.catalogue import TypeKind


def held_arrays(state: TypingState, waiting: TypedWords) -> Claims:
    """Return claims of the blocks to whose start such a word leads."""
    layouts = state.layouts
    local = layouts.local(np.maximum(waiting.code, -1).astype(np.int32))
    is_pointer = (waiting.code >= 0) & (layouts.kind[local] == TypeKind.POINTER)
    words = waiting.at(waiting.many & is_pointer & (waiting.offset == 0))
    found = claims(
        words.target,
        words.code,
        How.CONTAINER,
        count=(state.room[words.target] // layouts.pointer_size).astype(np.int32),
        parent=words.parent,
        parent_place=words.place,
    )
    found.confidence[:] = words.trust
    return found
