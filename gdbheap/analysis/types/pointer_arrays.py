"""Arrays of pointers: what a pointer to a pointer leads to, if its words go with that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.inner_objects import lie_inside
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, firsts_of
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many of the words that point into blocks must go with the type, in parts of four.
_FITTING = 3
# So many different pointers are no accident, and so many words are looked at.
_SEVERAL, _LOOKED_AT = 4, 32


def pointer_arrays(state: TypingState, waiting: TypedWords) -> Claims:
    """Return claims of the blocks that are arrays of pointers. A block that another pointer calls a struct is left
    alone: the pointer leads to its first member, perhaps."""
    local = state.layouts.local(np.maximum(waiting.code, -1).astype(np.int32))  # lays out what is not yet
    kind = state.layouts.kind[local]
    kind[waiting.code < 0] = 0
    structs = np.zeros(len(state), np.bool_)
    structs[waiting.target[np.isin(kind, (int(TypeKind.STRUCT), int(TypeKind.UNION)))]] = True
    words = waiting.at((kind == TypeKind.POINTER) & (waiting.offset == 0) & ~structs[waiting.target])
    words = words.at(np.unique(words.target, return_index=True)[1])
    return arrays_of_pointers(state, words)


def arrays_of_pointers(state: TypingState, words: TypedWords) -> Claims:
    """Return claims of the words' targets, each once, that are arrays of pointers, as far as their own words go with
    that; each word's code is the type of the pointers."""
    total, fitting = _fitting(state, words)
    good = (4 * fitting >= _FITTING * total) | _are_all_pointers(state, words)
    sure = (fitting == total) & (total >= 2)
    confidence = np.where(sure, words.trust, np.minimum(words.trust, int(Confidence.LIKELY))).astype(np.uint8)
    words, confidence = words.at(good), confidence[good]
    count = (state.room[words.target] // state.layouts.pointer_size).astype(np.int32)
    found = claims(words.target, words.code, How.ARRAY, count=count, parent=words.parent, parent_place=words.place)
    found.confidence[:] = confidence
    return found


def _are_all_pointers(state: TypingState, words: TypedWords) -> NDArray[np.bool_]:
    """Return which of the words' targets hold nothing but pointers into blocks, in their first words, and several
    different ones: what these lead to may lie in a pool."""
    size, blocks = state.layouts.pointer_size, state.held.blocks
    found = np.zeros(len(words), np.bool_)
    rows = np.flatnonzero(state.degree[words.target] >= _SEVERAL)
    order = rows[np.argsort(words.target[rows], kind="stable")]
    held = gather_words(state.process.memory, size, blocks.start[words.target[order]], _LOOKED_AT)
    room = state.room[words.target[order]] // size
    held[np.arange(_LOOKED_AT)[None, :] >= room[:, None]] = 0
    block = blocks.starts.before(held.reshape(-1)).astype(np.int64).reshape(held.shape)
    inside = (block >= 0) & (held < blocks.end[block]) & (block != words.target[order][:, None])
    several = np.array([len(set(row) - {0}) for row in held.tolist()], np.int64) >= _SEVERAL
    found[order] = several & (inside | (held == 0)).all(axis=1)
    return found


def _fitting(state: TypingState, words: TypedWords) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each word's target how many of its own words point into blocks, and how many of these to what the
    word's type says they point to, as far as size and type tell."""
    total = state.degree[words.target]
    edges = state.edges_of(words.target)
    which = np.repeat(np.arange(len(words)), total)
    pointee = np.array([_pointee(state, code) for code in words.code.tolist()], np.int32)[which]
    local = state.layouts.local(pointee)
    kind, size = state.layouts.kind[local], state.layouts.size[local]
    target, offset = state.graph.target[edges], state.graph.offset[edges]
    is_struct = (kind == TypeKind.STRUCT) | (kind == TypeKind.UNION)
    known = state.type[target]
    whole = (offset == 0) & ((known == pointee) | ((known < 0) & (state.room[target] >= size)))
    exact = whole & ((known >= 0) | fits(state.room[target], size, state.layouts.overhead) | (kind == 0))
    other = np.flatnonzero(is_struct & ~whole & (known >= 0))
    whole[other] = _are_parts(state, pointee[other], target[other], offset[other])
    inside = np.flatnonzero(is_struct & ~whole & ((known < 0) | state.loose[target]) & (offset > 0))
    whole[inside] = lie_inside(state, pointee[inside], target[inside], offset[inside])
    fitting = np.where(is_struct, exact | (whole & (size > 0)), True)
    return total, np.bincount(which, fitting, len(words)).astype(np.int64)


def _are_parts(
    state: TypingState, pointee: NDArray[np.int32], target: NDArray[np.int32], offset: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """Return which of the words lead to such a part of a larger object: a base class of it, its first member."""
    inside = offset.astype(np.int64) - state.part[target]
    row = codes_of(state.type[target], pointee, inside)
    first = firsts_of(row)
    kinds = zip(state.type[target[first]].tolist(), pointee[first].tolist(), inside[first].tolist())
    found = np.array([part in state.embedded.at(known, place) for known, part, place in kinds], np.bool_)
    return found[row]


def _pointee(state: TypingState, number: int) -> int:
    return state.book.stripped(state.book.info(number).target)
