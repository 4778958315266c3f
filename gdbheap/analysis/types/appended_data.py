"""Blocks that hold a struct and its data behind it, made with one call: one of the struct's pointers leads into the
block itself, to where the struct ends or a short header behind that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.explained import explained
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.gaps import gaps_are_used
from gdbheap.analysis.types.slots import BYTES, MIXED, PADDING, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, distinct, firsts_of
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What is in front of such data (a length, say) is shorter; so many blocks must look so, and as many others be known
# to be such structs.
_LONGEST_HEADER = 16
_FEWEST, _KNOWN = 3, 3
_MOST_GROUPS = 256
# So many sizes of blocks are looked at in each group, and so many structs that are just as large.
_MOST_ROOMS, _MOST_RIVALS = 64, 64
# A std::string's own buffer is no longer.
_OWN_TEXT = 16


def appended_data(state: TypingState) -> Claims:
    """Return claims of the blocks that only one of the structs that are known to occur goes with."""
    graph = state.graph
    own = np.flatnonzero((graph.source == graph.target) & (state.type[graph.source] < 0))
    own = own[graph.offset[own] > graph.place[own]]
    own = own[~_is_string(state, own)]
    if len(own) < _FEWEST:
        return joined([])
    kinds = _occurring(state)
    found = []
    which = codes_of(graph.place[own], graph.offset[own])
    count, first = np.bincount(which), firsts_of(which)
    for group in np.argsort(-count, kind="stable")[:_MOST_GROUPS].tolist():
        if count[group] >= _FEWEST:
            place, offset = int(graph.place[own[first[group]]]), int(graph.offset[own[first[group]]])
            blocks = distinct(graph.source[own[which == group]])
            found.append(_of_group(state, blocks, (place, offset), _having(state, kinds, place, offset)))
    return joined(found)


def _is_string(state: TypingState, own: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which of the words are those of C++ strings that lead to their own buffer, behind their length."""
    graph, size = state.graph, state.layouts.pointer_size
    near = graph.offset[own] - graph.place[own] == 2 * size
    place = state.held.blocks.start[graph.source[own]] + graph.place[own] + np.uint64(size)
    found: NDArray[np.bool_] = near & (gather_words(state.process.memory, size, place)[:, 0] < np.uint64(_OWN_TEXT))
    return found


def _occurring(state: TypingState) -> list[int]:
    """Return the structs of which some blocks are well known to be."""
    numbers, count = np.unique(state.type[state.well_named()], return_counts=True)
    return [each for each in numbers[count >= _KNOWN].tolist() if state.book.info(each).kind is TypeKind.STRUCT]


def _having(state: TypingState, kinds: list[int], place: int, offset: int) -> list[int]:
    """Return those that have a pointer to data at the place, and end at the offset or a header in front of it."""
    word = place // state.layouts.pointer_size
    found = []
    for number in kinds:
        codes = state.layouts.of(number).codes
        if word < len(codes) and 0 <= offset - state.book.info(number).size < _LONGEST_HEADER:
            code = int(codes[word])
            kind = state.book.info(code).kind if code >= 0 else None
            if code in (VOID, MIXED) or kind in (TypeKind.CHARACTER, TypeKind.SCALAR):
                found.append(number)
    return found


def _of_group(state: TypingState, blocks: NDArray[np.int32], where: tuple[int, int], kinds: list[int]) -> Claims:
    """Return claims of the blocks that have a pointer at the first place to the second, in themselves."""
    sound = []
    for number in kinds:
        bad = evidence(state, number, blocks)[1] + oddities(state, number, blocks)
        sound.append((bad == 0) & explained(state, number, blocks))
    left = [row for row, number in enumerate(kinds) if not gaps_are_used(state, number, blocks)]
    kinds, sound = [kinds[row] for row in left], [sound[row] for row in left]
    if not sound:
        return joined([])
    alone = (np.sum(sound, axis=0) == 1) & ~_as_a_whole(state, blocks, *where)
    return joined(
        [
            claims(blocks[alone & fine], number, How.APPENDED, Confidence.LIKELY, whole=False)
            for number, fine in zip(kinds, sound)
        ]
    )


def _as_a_whole(state: TypingState, blocks: NDArray[np.int32], place: int, offset: int) -> NDArray[np.bool_]:
    """Return which of the blocks may as well be one struct that has a pointer at the place to a part of itself at the
    offset (a vector's to its own first elements): one with just the room that malloc gives for it."""
    found = np.zeros(len(blocks), np.bool_)
    kinds, sizes = state.book.kinds_and_sizes()
    structs = np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > max(place, offset)))
    room_of = least_room(sizes[structs], state.layouts.overhead)
    word = place // state.layouts.pointer_size
    for room in distinct(state.room[blocks]).tolist()[:_MOST_ROOMS]:
        for number in structs[room_of == room].tolist()[:_MOST_RIVALS]:
            here = np.flatnonzero((state.room[blocks] == room) & ~found)
            code = int(state.layouts.of(number).codes[word]) if len(here) else PADDING
            if code >= 0 and _has_at(state, number, offset, code):
                bad = evidence(state, number, blocks[here])[1] + oddities(state, number, blocks[here])
                found[here] = (bad == 0) & explained(state, number, blocks[here])
    return found


def _has_at(state: TypingState, number: int, offset: int, code: int) -> bool:
    """Whether a type has raw bytes, or what the pointer leads to, at the offset in it."""
    if state.book.info(code).kind not in (TypeKind.STRUCT, TypeKind.POINTER) or offset % state.layouts.pointer_size:
        return False
    raw = int(state.layouts.of(number).codes[offset // state.layouts.pointer_size]) == BYTES
    return raw or code in state.embedded.at(number, offset)
