"""What blocks look like by their pointers: from which places, and to what, one number for each block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import How
from gdbheap.analysis.types.libcxx import has_string
from gdbheap.analysis.types.static_words import words_into
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, codes_of, distinct, firsts_of
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# One pointer is enough where so many blocks of one type, and none of another, have it so.
_OFTEN = 8
# Headers of a program's own are not larger.
FAR = 64
# 2**64 divided by the golden ratio, to mix numbers (Knuth, The Art of Computer Programming 3, 6.4).
MIX = 0x9E3779B97F4A7C15


def static_shapes(state: TypingState) -> NDArray[np.uint64]:
    """Return what the words of each block that lead into modules are mixed to: where they are, and whether to code."""
    ranges = [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file]
    block, place, word = words_into(state, ranges)
    mixed = (place.astype(np.uint64) << np.uint64(1)) + state.code.hold(word).astype(np.uint64) + np.uint64(1)
    mixed *= np.uint64(MIX)
    mixed ^= mixed >> np.uint64(29)
    found = np.zeros(len(state), np.uint64)
    np.add.at(found, block, mixed)
    return found


def plain_shapes(state: TypingState) -> NDArray[np.uint64]:
    """Return what the size of each block and the places of its pointers are mixed to."""
    place = state.graph.place.astype(np.uint64) * np.uint64(MIX)
    place ^= place >> np.uint64(29)
    total = np.zeros(len(place) + 1, np.uint64)
    np.cumsum(place, out=total[1:])
    room = state.room.astype(np.uint64) * np.uint64(MIX)
    found: NDArray[np.uint64] = total[state.begin[1:]] - total[state.begin[:-1]] + room
    return found


def exact_shapes(state: TypingState, blocks: NDArray[np.intp]) -> NDArray[np.uint64]:
    """Return the same of these blocks, in order, with the types of what they point to, and how far into that."""
    graph, edges = state.graph, state.edges_of(blocks)
    target, inverse = np.unique(graph.target[edges], return_inverse=True)
    kind = state.type[target].astype(np.int64) + 2
    # (What is not known yet differs by size, if it is no text, and so does what is data.)
    local = state.layouts.local(state.type[target])  # lays out what is not yet
    is_data = np.isin(state.layouts.kind[local], (int(TypeKind.CHARACTER), int(TypeKind.SCALAR)))
    unknown = np.flatnonzero((kind < 2) | is_data)
    kind[unknown] = np.where(is_text(state, target[unknown]), 0, -2 - state.room[target[unknown]])
    known = kind.astype(np.uint64)[inverse.reshape(-1)] * np.uint64(0xD6E8FEB86659FD93)
    known += np.minimum(graph.offset[edges], FAR).astype(np.uint64) * np.uint64(0x8EBC6AF09C88C6E3)
    both = (graph.place[edges].astype(np.uint64) * np.uint64(MIX) ^ known) * np.uint64(0xA0761D6478BD642F)
    both ^= both >> np.uint64(31)
    total = np.zeros(len(both) + 1, np.uint64)
    np.cumsum(both, out=total[1:])
    end = np.cumsum(state.degree[blocks])
    begin = np.concatenate(([0], end[:-1])).astype(np.int64)
    found: NDArray[np.uint64] = total[end] - total[begin] + state.room[blocks].astype(np.uint64) * np.uint64(MIX)
    return found


def _times(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how often each of the values is there."""
    _, which, count = np.unique(values, return_inverse=True, return_counts=True)
    found: NDArray[np.int64] = count[which.reshape(-1)]
    return found


def named_shapes(
    state: TypingState, blocks: NDArray[np.intp], shape: NDArray[np.uint64], of_known: bool
) -> dict[int, int]:
    """Return the type of each shape of two pointers or more that only blocks of one type have, of these well named
    ones (`of_known`: which point to blocks whose types are known, or behind a header of the program's own; one such
    pointer is enough)."""
    degree = state.degree[blocks]
    chosen = degree >= (1 if of_known else 2)
    blocks, shape, degree = blocks[chosen], shape[chosen], degree[chosen]
    if of_known and len(blocks):
        edges = state.edges_of(blocks)
        offset = state.graph.offset[edges]
        behind = (offset > 0) & (offset < FAR)
        several = np.repeat(degree, degree) > 1
        often = np.repeat(_times(shape) >= _OFTEN, degree)
        known = (behind | often | ((state.type[state.graph.target[edges]] >= 0) & several)).astype(np.int64)
        before = np.concatenate(([0], np.cumsum(known)))
        end = np.cumsum(degree)
        chosen = before[end] - before[end - degree] > 0
        blocks, shape = blocks[chosen], shape[chosen]
    # (Whatever has one of libc++'s strings points to text from the middle of that, many values do.)
    one = np.flatnonzero(state.degree[blocks] == 1)
    vague = [each for each in distinct(state.type[blocks[one]]).tolist() if has_string(state.book, each)]
    chosen = np.ones(len(blocks), np.bool_)
    chosen[one] = ~np.isin(state.type[blocks[one]], np.array(vague, np.int32))
    blocks, shape = blocks[chosen], shape[chosen]
    values, which = np.unique(shape, return_inverse=True)
    low, high = np.full(len(values), np.iinfo(np.int32).max), np.full(len(values), -1)
    np.minimum.at(low, which, state.type[blocks])
    np.maximum.at(high, which, state.type[blocks])
    return {
        value: number for value, number, most in zip(values.tolist(), low.tolist(), high.tolist()) if number == most
    }


def shapes_of_several(
    state: TypingState, named: NDArray[np.intp], shape: NDArray[np.uint64], plain: NDArray[np.uint64]
) -> set[int]:
    """Return the shapes, targets' types and all, that blocks of different types have: arrays of pointers are among
    these, as they look like structs of nothing else. `plain` are the plain shapes of all blocks."""
    arrays = np.flatnonzero((state.how == How.ARRAY) & (state.degree > 0))
    arrays = arrays[are_among(plain[arrays], distinct(plain[named]))]
    shape = np.concatenate((shape, exact_shapes(state, arrays)))
    pairs = firsts_of(codes_of(shape, state.type[np.concatenate((named, arrays))]))
    values, count = np.unique(shape[pairs], return_counts=True)
    return set(values[count > 1].tolist())
