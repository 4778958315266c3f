"""Pointers to what is not just as large as their type: several objects, one behind the other, or a part of a larger
one: its base class, its first member, its links of a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.counts import counted_beside
from gdbheap.analysis.types.embedded import Embedded
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import fits, fits_loosely
from gdbheap.analysis.types.inner_objects import holds_others
from gdbheap.analysis.types.libstdcxx import is_value
from gdbheap.analysis.types.preferred import as_the_holder, by_functions
from gdbheap.analysis.types.readings import WRONG, container_signs, reading
from gdbheap.analysis.types.slots import CODE, INTEGER, PLAIN, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import codes_of, distinct
from gdbheap.types.catalogue import NONE, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Order = NDArray[np.intp]

# So many kinds of block (one type at one offset in one size) are looked at, the most frequent first, and so many types
# are tried for each.
_MOST_GROUPS = 4096
_MOST_HOLDERS = 64
# What a struct must have in its favour to be preferred to a number of parts.
_AS_GOOD = 2
# So many types of holders are tried for what they hold.
_MOST_KINDS = 4
_MOST_EDGES = 1 << 16
# So deep are base classes gone through.
_MOST_BASES = 16
# What is no multiple of a type's size by more than malloc's rounding is no array of it.
_ROUNDED = 16


@dataclass(frozen=True)
class _Guess:
    """That a block is `type` (`count` of them, if above 0), which begins at `part`. The lowest `rank` that nothing
    speaks against is believed; `loose`: malloc may have given so much room for it, where a rest was too small."""

    type: int
    part: int
    count: int
    how: How
    rank: int
    whole: bool = True
    loose: bool = False

    @property
    def is_holder(self) -> bool:
        """Whether the block is one struct that has what the words say as a part of it."""
        return self.whole and self.how is How.PART and not self.part


def parts(state: TypingState, embedded: Embedded, waiting: TypedWords) -> Claims:
    """Return claims of the blocks that these words point to."""
    # (What a part of a block says is less than its vtable does.)
    words = _first_of_each(state, waiting.at(~np.isin(waiting.target, state.behind.block)))
    which = codes_of(words.code, words.offset, state.room[words.target])
    count = np.bincount(which)
    order = np.argsort(which, kind="stable")
    begin = np.concatenate(([0], np.cumsum(count)))
    found: list[Claims] = []
    for group in np.argsort(-count, kind="stable")[:_MOST_GROUPS].tolist():
        found += list(_of_group(state, embedded, words.at(order[begin[group] : begin[group + 1]])))
    told = joined(found)
    # (What others are may tell what may be one of several.)
    sure = told.confidence > Confidence.POSSIBLE
    return told.at(sure) if sure.any() else told


def _first_of_each(state: TypingState, waiting: TypedWords) -> TypedWords:
    """Return one word for each block, of those that point to structs: the one that leads farthest to the front, and of
    these the one to the largest type."""
    local = state.layouts.local(np.maximum(waiting.code, -1).astype(np.int32))
    kind, size = state.layouts.kind[local], state.layouts.size[local]
    is_struct = (waiting.code >= 0) & ((kind == TypeKind.STRUCT) | (kind == TypeKind.UNION)) & (size > 0)
    room = state.room[waiting.target] - waiting.offset
    chosen = np.flatnonzero(is_struct & (size <= room))
    order = chosen[np.lexsort((-size[chosen], waiting.offset[chosen], waiting.target[chosen]))]
    _, first = np.unique(waiting.target[order], return_index=True)
    return waiting.at(order[first])


def _of_group(state: TypingState, embedded: Embedded, words: TypedWords) -> Iterator[Claims]:
    """Yield claims of the blocks of one size that one type is said to lie in at one offset."""
    number, offset, room = int(words.code[0]), int(words.offset[0]), int(state.room[words.target[0]])
    guesses = _guesses(state, embedded, number, offset, room)
    guesses += _as_their_holders(state, [each.type for each in guesses if not each.rank], words)
    if not offset:
        counted = _counted(state, number, words, [each.type for each in guesses if each.rank == 0])
        yield counted
        words = words.at(~np.isin(words.target, counted.block))
        if not len(words):
            return
    blocks = words.target
    several = sum(guess.is_holder for guess in guesses) > 1
    good = np.zeros((len(guesses), len(blocks)), np.int32)
    bad = np.zeros((len(guesses), len(blocks)), np.int32)
    for row, guess in enumerate(guesses):
        if several and guess.is_holder and not guess.loose:
            said = reading(state, guess.type, blocks)
            good[row], bad[row] = np.maximum(said - WRONG, 0), said == WRONG
            continue
        good[row], bad[row] = evidence(state, guess.type, blocks, guess.part, guess.count > 0)
        if guess.count:
            bad[row] += oddities(state, guess.type, blocks, many=True)
            bad[row] += holds_others(state, guess.type, blocks)
        if guess.loose:
            good[row] = -WRONG + np.minimum(good[row], _AS_GOOD)
        if guess.whole and not guess.count:
            bad[row] += container_signs(state, guess.type, blocks, guess.part) < 0
    _prefer_several(guesses, good, bad)
    left = np.ones(len(blocks), np.bool_)
    for rank in sorted({guess.rank for guess in guesses}):
        rows = [row for row, guess in enumerate(guesses) if guess.rank == rank]
        fine = np.where(bad[rows] == 0, good[rows], -1)
        best = fine.argmax(axis=0)
        chosen = left & (fine.max(axis=0) >= 0)
        ties = (fine == fine.max(axis=0)).sum(axis=0) > 1
        if several and not rank:
            best, ties = _better(state, [guesses[row].type for row in rows], fine, words, (best, ties))
        for at, row in enumerate(rows):
            here = np.flatnonzero(chosen & (best == at))
            if len(here):
                found = _claimed(guesses[row], words.at(here), 0 if several else fine[at, here], ties[here])
                # (What a tag is to tell waits for what it means: guesses would be taken for that.)
                yield found.at(~ties[here]) if number in state.tag_rules else found
                if len(here) == len(blocks) and guesses[row].is_holder and not several:
                    state.learned[number, offset, room] = guesses[row].type, int(found.confidence.min())
                if ties[here].any():
                    _keep_alternatives(state, guesses, rows, fine[:, here], blocks[here])
        left &= ~chosen


def _prefer_several(guesses: list[_Guess], good: NDArray[np.int32], bad: NDArray[np.int32]) -> None:
    """Have it speak against one object that what lies behind it in the smallest chunk says that there are more."""
    one = [row for row, guess in enumerate(guesses) if guess.how is How.MEMBER]
    several = [row for row, guess in enumerate(guesses) if guess.count]
    for row in one if several else []:
        bad[row] += (bad[several[0]] == 0) & (good[several[0]] > good[row])


def _better(
    state: TypingState,
    kinds: list[int],
    fine: NDArray[np.int32],
    words: TypedWords,
    judged: tuple[NDArray[np.intp], NDArray[np.bool_]],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the row of the best of these types for each block, and where others are as good, when it is also asked who
    holds it: any that goes with it is what the functions there know; of equal ones it is what its holder is."""
    best, ties = judged
    columns = np.arange(len(words))
    for said, anyhow in ((as_the_holder(state, words, kinds), False), (by_functions(state, words, kinds), True)):
        good = (said >= 0) & (fine[said, columns] >= 0)
        if not anyhow:
            # (What may be of any size goes with much.)
            weak = np.array([state.layouts.of(kind).flexible >= 0 for kind in kinds], np.bool_)[best]
            good &= (ties & (fine[said, columns] == fine.max(axis=0))) | weak
        if anyhow:
            state.told_by_functions[words.target[good]] = True
        best, ties = np.where(good, said, best), ties & ~good
    return best, ties


def _counted(state: TypingState, number: int, words: TypedWords, holders: list[int]) -> Claims:
    """Return claims of the blocks that hold as many objects as a number beside the pointer says, and go with none of
    the structs that begin with one and are so large."""
    size, room = state.book.info(number).size, int(state.room[words.target[0]])
    told = counted_beside(state, words, room // size, size)
    told[told > 0] *= evidence(state, number, words.target[told > 0], 0, True)[1] == 0
    for holder in holders:
        told[told > 0] *= reading(state, holder, words.target[told > 0]) < _AS_GOOD
    words, count = words.at(told > 1), told[told > 1].astype(np.int32)
    found = claims(words.target, number, How.ARRAY, count=count, parent=words.parent, parent_place=words.place)
    found.confidence[:] = words.trust
    return found


def _keep_alternatives(
    state: TypingState, guesses: list[_Guess], rows: list[int], fine: NDArray[np.int32], blocks: NDArray[np.int32]
) -> None:
    for place in np.flatnonzero((fine == fine.max(axis=0)).sum(axis=0) > 1).tolist():
        equal = [guesses[row].type for at, row in enumerate(rows) if fine[at, place] == fine[:, place].max()]
        state.alternatives[int(blocks[place])] = tuple(dict.fromkeys(equal))


def _claimed(guess: _Guess, words: TypedWords, good: NDArray[np.int32] | int, ties: NDArray[np.bool_]) -> Claims:
    confidence = np.minimum(words.trust, int(Confidence.LIKELY)).astype(np.uint8)
    if not guess.count and guess.part == 0 and int(words.offset[0]) and guess.whole:
        # The type, its place and the size of the whole agree, and so does what lies in it.
        confidence = np.where(np.asarray(good) > 0, words.trust, confidence)
    confidence[ties] = np.minimum(confidence[ties], int(Confidence.POSSIBLE))
    found = claims(
        words.target,
        guess.type,
        guess.how,
        count=guess.count,
        part=guess.part,
        parent=words.parent,
        parent_place=words.place,
        whole=guess.whole,
    )
    found.confidence[:] = confidence
    return found


def _guesses(state: TypingState, embedded: Embedded, number: int, offset: int, room: int) -> list[_Guess]:
    layouts, size, pointer_size = state.layouts, state.book.info(number).size, state.layouts.pointer_size

    def exact(asked: int, behind: int = 0) -> bool:
        return bool(fits(np.array([room - behind]), np.array([asked]), layouts.overhead)[0])

    found: list[_Guess] = []
    for holder, place in embedded.holders(number):
        info = state.book.info(holder)
        if is_value(state.book, holder) or len(found) >= _MOST_HOLDERS:
            continue
        if place == offset and info.kind is TypeKind.STRUCT and exact(info.size):
            found.append(_Guess(holder, 0, 0, How.PART, 0))
    holders = len(found)
    if offset % pointer_size and offset < pointer_size and _is_aligned(state, number):
        # (A mark in the pointer's lowest bits.)
        return [_Guess(number, 0, 0, How.PART, 1)] if exact(size) else []
    if offset:
        found += _growing(state, embedded, number, offset, room)
        if exact(offset + size):
            found.append(_Guess(number, offset, 0, How.PART, 1))
        return found
    # (Rather is it more than a base class.)
    loose = not embedded.derived(number) and fits_loosely(np.array([room]), np.array([size]), layouts.overhead)[0]
    if loose or exact(size):
        found.append(_Guess(number, 0, 0, How.MEMBER, 1))
    count, derived = room // size, _derived(state, number, room)
    # (A block with pages of its own is rounded up to these.)
    rounded = room - count * size < _ROUNDED or exact(count * size)
    if count > 1 and rounded and number not in state.tag_rules:
        found.append(_Guess(number, 0, count, How.ARRAY, 2))
        if derived != number:
            found.append(_Guess(derived, 0, 0, How.PART, 2, whole=False))
    growing = _growing(state, embedded, number, 0, room)
    # (With nothing else to be a part of, it is rather itself, or several.)
    found += [each if holders else replace(each, rank=3) for each in growing]
    return [*found, _Guess(derived, 0, 0, How.PART, 4, whole=False)]


def _derived(state: TypingState, number: int, room: int) -> int:
    """Return the one class that has the type as its base and fits into the room, with more behind it; the type itself
    where there are several, or none. (C++ seldom makes objects of what is a base.)"""
    for _ in range(_MOST_BASES):
        classes = state.embedded.derived(number)
        if len(classes) != 1 or state.book.info(classes[0]).size > room:
            break
        number = classes[0]
    return number


def _is_aligned(state: TypingState, number: int) -> bool:
    """Whether the type has a member that lies at even addresses alone."""
    codes = state.layouts.of(number).codes
    return bool(((codes >= 0) | (codes == VOID) | (codes == INTEGER) | (codes == PLAIN) | (codes == CODE)).any())


def _as_their_holders(state: TypingState, known: list[int], words: TypedWords) -> list[_Guess]:
    """Return what most of these words lie in, where they lead to just the same place in another of its kind, and what
    most lead to that lie in the same arrays: malloc may have given so much room for it."""
    number, offset, room = int(words.code[0]), int(words.offset[0]), int(state.room[words.target[0]])
    holder = words.parent[words.parent >= 0]
    if not offset:
        arrays = distinct(holder[state.count[holder] > 0])
        edges = state.edges_of(arrays)[:_MOST_EDGES]
        holder = state.graph.target[edges[state.graph.offset[edges] == 0]]
        holder = holder[state.whole[holder] & (state.count[holder] == 0)]
    kinds, count = np.unique(state.type[holder], return_counts=True)
    found = []
    for kind in kinds[np.argsort(-count, kind="stable")[:_MOST_KINDS]].tolist():
        if kind == NONE or kind in known or state.layouts.of(kind).flexible >= 0:
            continue
        size = np.array([state.book.info(kind).size])
        if (
            number in state.embedded.at(kind, offset)
            and number != kind
            and fits_loosely(np.array([room]), size, state.layouts.overhead)[0]
        ):
            found.append(_Guess(kind, 0, 0, How.PART, 0, loose=True))
    return found


def _growing(state: TypingState, embedded: Embedded, number: int, offset: int, room: int) -> list[_Guess]:
    """Return the structs with a flexible array that have the type at the offset, and room for the array."""
    return [
        _Guess(holder, 0, 0, How.PART, 0)
        for holder, place in embedded.holders(number)[:_MOST_HOLDERS]
        if place == offset
        and 0 <= state.layouts.of(holder).flexible <= room
        and state.book.info(holder).kind is TypeKind.STRUCT
    ]
