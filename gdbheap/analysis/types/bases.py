"""Pointers to what several structs begin with: a base class, a header with a kind. Which struct it is, is told by what
all blocks go with whose header holds the same tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.embedded import Embedded
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.libstdcxx import is_value
from gdbheap.analysis.types.readings import WRONG, reading
from gdbheap.analysis.types.tag import Pool
from gdbheap.analysis.types.tags import by_tags, rows_told, tag_values
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

# So many headers are looked at, and so many structs that begin with each.
_MOST_HEADERS = 1024
_MOST_HOLDERS = 64
# Words that told nothing are asked again when one in so many is new or gone, or after so many rounds.
_CHANGED, _ROUNDS_IN_VAIN = 8, 16


def bases(state: TypingState, embedded: Embedded, waiting: TypedWords) -> Claims:
    """Return claims of the blocks to whose start a pointer to such a header leads."""
    words = waiting.at((waiting.code >= 0) & (waiting.offset == 0))
    told: list[Claims] = []
    plain: list[Claims] = []
    for number in distinct(words.code).tolist()[:_MOST_HEADERS]:
        if state.book.info(number).kind is not TypeKind.STRUCT:
            continue
        holders = [
            holder
            for holder, place in embedded.holders(number)
            if not place and state.book.info(holder).kind is TypeKind.STRUCT and not is_value(state.book, holder)
        ]
        here = words.at(words.code == number)
        asked = len(here)
        if holders and _worth_asking(state, number, asked):
            here = here.at(np.unique(here.target, return_index=True)[1])
            claimed, unsaid = _of_header(state, number, [number, *holders[:_MOST_HOLDERS]], here)
            told += claimed
            if not any(len(each) for each in claimed):
                state.in_vain[number] = asked, 0
            plain.append(_claimed(unsaid, number, How.MEMBER))
    return joined(told if any(len(each) for each in told) else plain)


def _worth_asking(state: TypingState, header: int, count: int) -> bool:
    """Whether so many words to a header may tell more than those of a few rounds before, which told nothing."""
    before, rounds = state.in_vain.get(header, (0, 0))
    state.in_vain[header] = before, rounds + 1
    return rounds + 1 >= _ROUNDS_IN_VAIN or abs(count - before) * _CHANGED >= before


def _of_header(state: TypingState, header: int, kinds: list[int], words: TypedWords) -> tuple[list[Claims], TypedWords]:
    """Return claims, and the words whose blocks may as well be what the pointer says: nothing tells them apart."""
    room = state.room[words.target]
    row, unsaid, several = np.full(len(words), -1), np.zeros(len(words), np.bool_), np.zeros(len(words), np.bool_)
    rooms = distinct(room).tolist()
    fitting = {each: _fitting(state, kinds, each) for each in rooms}
    for each in rooms:
        if len(fitting[each]) == 1:
            row[room == each] = fitting[each][0]
        several |= (room == each) & (len(fitting[each]) > 1)
    left = np.flatnonzero(several)
    if len(left):
        row[left], unsaid[left] = _of_several(state, header, kinds, words.at(left))
    found = []
    for index in distinct(row[row >= 0]).tolist():
        chosen = words.at(row == index)
        good = evidence(state, kinds[index], chosen.target)[1] == 0
        if good.all():
            for each in distinct(state.room[chosen.target]).tolist():
                if fitting[each] == [index]:
                    state.learned[header, 0, each] = kinds[index], int(Confidence.LIKELY)
        chosen = chosen.at(good)
        found.append(_claimed(chosen, kinds[index], How.PART if index else How.MEMBER))
    return found, words.at(unsaid)


def tagged(state: TypingState, words: TypedWords) -> tuple[Claims, TypedWords]:
    """Return what the words claim whose headers have a tag that tells, as seen before; and the other words."""
    if not state.tag_rules or not len(words):
        return joined([]), words
    types = np.full(len(words), -1, np.int32)
    for header, (tag, known) in state.tag_rules.items():
        here = np.flatnonzero((words.code == header) & (words.offset == 0))
        if len(here):
            start = state.held.blocks.start[words.target[here]]
            types[here] = [known.get(each, -1) for each in tag_values(state, tag, start).tolist()]
    for number in distinct(types[types >= 0]).tolist():
        here = np.flatnonzero(types == number)
        here = here[np.argsort(words.target[here], kind="stable")]
        types[here[single(state, number, words.target[here]) == WRONG]] = -1
    chosen = words.at(types >= 0)
    found = claims(chosen.target, types[types >= 0], How.PART, parent=chosen.parent, parent_place=chosen.place)
    found.confidence[:] = np.minimum(chosen.trust, np.uint8(Confidence.LIKELY))
    return found, words.at(types < 0)


def only_fitting(state: TypingState, header: int, words: TypedWords) -> Claims:
    """Return claims of the targets with just the room for one only of the structs that begin with the header, where its
    tag says none of the others."""
    tag, known = state.tag_rules[header]
    holders = [each for each, place in state.embedded.holders(header) if not place][:_MOST_HOLDERS]
    found = []
    for room in distinct(state.room[words.target]).tolist():
        fitting = _fitting(state, holders, room)
        here = words.at(state.room[words.target] == room) if len(fitting) == 1 else words.at(np.empty(0, np.intp))
        if len(here):
            number = holders[fitting[0]]
            values = tag_values(state, tag, state.held.blocks.start[here.target])
            sound = np.array([known.get(each, number) == number for each in values.tolist()], np.bool_)
            found.append(_claimed(here.at(sound & (single(state, number, here.target) != WRONG)), number, How.PART))
    return joined(found)


def _fitting(state: TypingState, kinds: list[int], room: int) -> list[int]:
    """Return the rows of the types for one of which malloc may give just so much room."""
    found = []
    for row, number in enumerate(kinds):
        flexible = state.layouts.of(number).flexible
        size = np.array([state.book.info(number).size])
        if fits(np.array([room]), size, state.layouts.overhead)[0] or 0 <= flexible <= room:
            found.append(row)
    return found


def _of_several(state: TypingState, header: int, kinds: list[int], words: TypedWords) -> tuple[NDArray[np.intp], Mask]:
    """Return the row of each block's type (-1 unknown), and which may as well be the header itself."""
    pool = state.pools.setdefault((header, -1), Pool())
    start = state.held.blocks.start[words.target]
    target, address = pool.with_earlier(words.target, start)
    rows = sorted({row for each in distinct(state.room[target]).tolist() for row in _fitting(state, kinds, each)})
    scores = np.full((len(kinds), len(target)), WRONG, np.int64)
    for each in rows:
        scores[each] = single(state, kinds[each], target)
    told = by_tags(state, scores, address, header, base=0)
    # (What has one value everywhere so far parts nothing yet.)
    if told is not None and any(told.rows.values()) and len(told.rows) > 1:
        state.tag_rules[header] = told.tag, {value: kinds[each] for value, each in told.rows.items()}
    row = rows_told(state, told, start)
    unsaid = np.zeros(len(words), np.bool_)
    for room in distinct(state.room[words.target[row < 0]]).tolist():
        here = scores[:, state.room[target] == room]
        as_good = (here[0] > WRONG) & (here[0] == here.max(axis=0))
        unsaid |= (row < 0) & (state.room[words.target] == room) & (10 * as_good.sum() >= 9 * here.shape[1])
    return row, unsaid


def _claimed(words: TypedWords, number: int, how: How) -> Claims:
    found = claims(words.target, number, how, parent=words.parent, parent_place=words.place)
    found.confidence[:] = np.minimum(words.trust, np.uint8(Confidence.LIKELY))
    return found


def single(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how well each block goes with one object of the type, which may have a flexible array."""
    scores = reading(state, number, blocks)
    if state.layouts.of(number).flexible >= 0:
        return scores
    size = np.full(len(blocks), state.book.info(number).size)
    return np.where(fits(state.room[blocks], size, state.layouts.overhead), scores, WRONG)
