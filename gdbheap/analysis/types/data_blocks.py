"""Blocks of data: text, raw memory, and numbers, which pointers to characters and to numbers lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.declared import declared_types
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A header in front of text (a length, say) is not longer.
_LONGEST_HEADER = 64


def data_blocks(state: TypingState, waiting: TypedWords) -> Claims:
    """Return claims of the blocks that hold characters or numbers. Whatever holds pointers to other blocks, and is no
    text, is something else that goes by such a pointer."""
    local = state.layouts.local(np.maximum(waiting.code, -1).astype(np.int32))  # lays out what is not yet
    kind = state.layouts.kind[local]
    is_data = (waiting.code >= 0) & np.isin(kind, (int(TypeKind.CHARACTER), int(TypeKind.SCALAR)))
    aligned = _are_aligned(state, waiting, is_data)
    is_data &= (waiting.offset == 0) | ((kind == TypeKind.CHARACTER) & (waiting.offset <= _LONGEST_HEADER)) | aligned
    chosen = np.flatnonzero(is_data)
    order = chosen[np.lexsort((waiting.offset[chosen], waiting.target[chosen]))]
    words = waiting.at(order[np.unique(waiting.target[order], return_index=True)[1]])
    pointing = state.pointing
    local = state.layouts.local(words.code)  # lays out what is not yet
    is_character = state.layouts.kind[local] == TypeKind.CHARACTER
    text = is_character & is_text(state, words.target, words.offset)
    text &= ~pointing[words.target]
    plain = ~pointing[words.target] & ((words.offset == 0) | _are_aligned(state, words, words.offset > 0))
    confidence = np.where(
        (text | words.many) & (words.offset == 0), words.trust, np.minimum(words.trust, int(Confidence.LIKELY))
    )
    # What a container says that it has there is not judged by what has been written yet.
    good = text | plain | (words.many & (words.offset == 0))
    words, confidence = words.at(good), confidence[good]
    local = state.layouts.local(words.code)  # lays out what is not yet
    size = state.layouts.size[local]
    count = (state.room[words.target] - words.offset) // np.maximum(size, 1)
    count[_of_one_number(state, words, size)] = 0
    found = claims(
        words.target,
        declared_types(state, words),
        How.MEMBER,
        count=count.astype(np.int32),
        part=words.offset,
        parent=words.parent,
        parent_place=words.place,
    )
    found.confidence[:] = confidence
    return found


def _of_one_number(state: TypingState, words: TypedWords, size: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the words, to elements of these sizes, lead to one number: unions' words, to the smallest block
    there is, with nothing behind it. (Members of their own lead to several, as a rule.)"""
    step = state.layouts.pointer_size
    smallest = int(least_room(1, state.layouts.overhead))
    found: NDArray[np.bool_] = ~words.many & (words.offset == 0) & (size > 1)
    found &= state.room[words.target] == smallest
    found &= (words.slot != NO_SLOT) & (state.layouts.table[words.slot] == MIXED)
    here = np.flatnonzero(found)
    held = gather_words(state.process.memory, step, state.held.blocks.start[words.target[here]], smallest // step)
    held[:, 0] >>= np.minimum(8 * size[here], 8 * step - 1).astype(np.uint64)
    held[:, 0] >>= np.uint64(1) * (size[here] >= step)
    behind = np.arange(held.shape[1])[None, :] * step >= np.maximum(size[here], 1)[:, None]
    behind[:, 0] = True
    found[here] = ~((held != 0) & behind).any(axis=1)
    return found


def _are_aligned(state: TypingState, words: TypedWords, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of those asked for lead to what a program aligned more than malloc does: it keeps in front of it
    where the block begins."""
    found, size = np.zeros(len(words), np.bool_), state.layouts.pointer_size
    rows = np.flatnonzero(asked & (words.offset >= size) & (words.offset <= _LONGEST_HEADER + size))
    start = state.held.blocks.start[words.target[rows]]
    order = np.argsort(start, kind="stable")
    rows, start = rows[order], start[order]
    place = start + words.offset[rows].astype(np.uint64) - np.uint64(size)
    found[rows] = gather_words(state.process.memory, size, place)[:, 0] == start
    return found
