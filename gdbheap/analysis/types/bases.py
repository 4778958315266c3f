"""Pointers to what several structs begin with: a base class, a header with a kind. Which struct it is, is told by what
all blocks go with whose header holds the same tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.embedded import Embedded
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.readings import WRONG, reading
from gdbheap.analysis.types.tag import Pool
from gdbheap.analysis.types.tags import by_tags
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many headers are looked at, so many structs that begin with each, and so many blocks.
_MOST_HEADERS = 1024
_MOST_HOLDERS = 64
_MOST_BLOCKS = 1 << 14


def bases(state: TypingState, embedded: Embedded, waiting: TypedWords) -> Claims:
    """Return claims of the blocks to whose start a pointer to such a header leads."""
    words = waiting.at((waiting.code >= 0) & (waiting.offset == 0))
    told: list[Claims] = []
    plain: list[Claims] = []
    for number in np.unique(words.code).tolist()[:_MOST_HEADERS]:
        if state.book.info(number).kind is not TypeKind.STRUCT:
            continue
        holders = [
            holder
            for holder, place in embedded.holders(number)
            if not place and state.book.info(holder).kind is TypeKind.STRUCT
        ]
        if holders:
            here = words.at(words.code == number)
            here = here.at(np.unique(here.target, return_index=True)[1][:_MOST_BLOCKS])
            claimed, unsaid = _of_header(state, number, [number, *holders[:_MOST_HOLDERS]], here)
            told += claimed
            plain.append(_claimed(unsaid, number, How.MEMBER))
    return joined(told if any(len(each) for each in told) else plain)


def _of_header(state: TypingState, header: int, kinds: list[int], words: TypedWords) -> tuple[list[Claims], TypedWords]:
    """Return claims, and the words whose blocks may as well be what the pointer says: nothing tells them apart."""
    pool = state.pools.setdefault((header, -1), Pool())
    target, address = pool.with_earlier(words.target, state.held.blocks.start[words.target])
    scores = np.stack([_single(state, each, target) for each in kinds])
    told = by_tags(state, scores, address, header)
    scores = scores[:, : len(words)]
    row = np.full(len(words), -1)
    if told is not None:
        row = told.row[: len(words)]
        state.tag_rules[header] = told.tag, {value: kinds[each] for value, each in told.rows.items()}
    only = (scores > WRONG).sum(axis=0) == 1
    row = np.where((row < 0) & only & (scores.max(axis=0) > 0), scores.argmax(axis=0), row)
    row[scores.max(axis=0) == WRONG] = -1
    unsaid = words.at((row < 0) & (scores[0] > WRONG) & (scores[0] == scores.max(axis=0)))
    found = [
        _claimed(words.at(row == index), number, How.PART if index else How.MEMBER)
        for index, number in enumerate(kinds)
    ]
    return found, unsaid


def _claimed(words: TypedWords, number: int, how: How) -> Claims:
    found = claims(words.target, number, how, parent=words.parent, parent_place=words.place)
    found.confidence[:] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    return found


def _single(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how well each block goes with one object of the type, which may have a flexible array."""
    scores = reading(state, number, blocks)
    if state.layouts.of(number).flexible >= 0:
        return scores
    size = np.full(len(blocks), state.book.info(number).size)
    return np.where(fits(state.room[blocks], size, state.layouts.pointer_size), scores, WRONG)
