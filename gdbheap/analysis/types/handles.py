"""Arrays of handles: integers that are made to hold pointers (uintptr_t), as interpreters keep their values in."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.declared import declared_types
from gdbheap.analysis.types.slots import is_handle
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind


def handle_arrays(state: TypingState, waiting: TypedWords) -> Claims:
    """Return claims of the blocks to whose start pointers lead that are declared as pointers to handles."""
    size = state.layouts.pointer_size
    local = state.layouts.local(np.maximum(waiting.code, -1).astype(np.int32))  # lays out what is not yet
    chosen = (waiting.code >= 0) & (state.layouts.kind[local] == TypeKind.SCALAR) & (state.layouts.size[local] == size)
    words = waiting.at(chosen & (waiting.offset == 0) & state.pointing[waiting.target])
    if not len(words):
        return joined([])
    words = words.at(np.unique(words.target, return_index=True)[1])
    declared = declared_types(state, words)
    handles = [each for each in distinct(declared).tolist() if is_handle(state.book, each)]
    here = np.isin(declared, np.array(handles, np.int32))
    words, declared = words.at(here), declared[here]
    count = (state.room[words.target] // size).astype(np.int32)
    found = claims(words.target, declared, How.ARRAY, count=count, parent=words.parent, parent_place=words.place)
    found.confidence[:] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    return found
