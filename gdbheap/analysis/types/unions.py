"""Words of unions: of the pointers that one may be, the one that goes with what all words lead to whose tag is the
same. Which member is the tag nobody says: it is the one that parts the words so that each part goes with one type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.analysis.types.readings import WRONG, reading
from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.tag import Pool
from gdbheap.analysis.types.tags import by_tags, rows_told, tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.variant_storages import variant_in
from gdbheap.analysis.types.variants import held_by_variants
from gdbheap.analysis.types.words import NO_SLOT, TypedWords, joined_words
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.int64]

# So many unions are looked at, so many words of each one by one, and so many types that each may lead to.
_MOST_UNIONS = 1024
_MOST_WORDS = 1 << 12
_MOST_KINDS = 32
# So much of all words must be told by a tag, in percent.
_TOLD = 75
# So deep may variants lie in each other.
_DEEPEST = 4


def unions(state: TypingState, waiting: TypedWords) -> TypedWords | None:
    """Return the words of unions again as what they are pointers to, as far as that is known."""
    words = waiting.at((waiting.code == MIXED) & (waiting.offset == 0) & (waiting.slot != NO_SLOT))
    groups: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for slot in distinct(words.slot).tolist():
        owner, word = state.layouts.owner(slot)
        part, kinds = _part(state, owner, word * state.layouts.pointer_size)
        if kinds:
            slots, known = groups.setdefault(part, ([], []))
            slots.append(slot)
            known += [each for each in kinds if each not in known]
    found = []
    for (struct, offset), (slots, kinds) in list(groups.items())[:_MOST_UNIONS]:
        here = words.at(np.isin(words.slot, slots))
        found += _told(state, here, (struct, offset), kinds)
    return joined_words(found) if found else None


def _part(state: TypingState, owner: int, offset: int) -> tuple[tuple[int, int], list[int]]:
    """Return the innermost struct at the offset of a type that is in no union, and the offset in it; and to what
    pointers may be that lie there."""
    part = tagged_part(state.book, owner, offset)
    state.layouts.of(part[0])  # lays it out
    mixed = state.layouts.mixed.get((part[0], part[1] // state.layouts.pointer_size), ())
    kinds = [each for each in mixed if each >= 0]
    return part, [*kinds, VOID] if kinds and VOID in mixed else kinds


def _told(
    state: TypingState, words: TypedWords, part: tuple[int, int], kinds: list[int], depth: int = 0
) -> list[TypedWords]:
    """Return the words, all at one offset of one struct, as what they are pointers to."""
    struct, offset = part
    variant = variant_in(state.book, struct)
    if variant is None:
        # (What it may be beside anything at all comes last.)
        ordered = sorted(kinds, key=lambda each: each == VOID)
        return list(_resolved(state, words, struct, offset, ordered[-_MOST_KINDS:]))
    found, inner = held_by_variants(state, words, offset, variant)
    for arm, place, here in inner if depth < _DEEPEST else ():
        within, kinds = _part(state, arm, place)
        found += _told(state, here, within, kinds, depth + 1) if kinds else []
    return found


def _resolved(
    state: TypingState, words: TypedWords, struct: int, offset: int, kinds: list[int]
) -> Iterator[TypedWords]:
    pool = state.pools.setdefault((struct, offset), Pool())
    address = words.place - np.uint64(offset)
    target, some = pool.with_earlier(words.target, address)
    told = by_tags(state, _scores(state, kinds, target), some, struct)
    row = rows_told(state, told, address)
    if 100 * np.count_nonzero(row >= 0) < _TOLD * len(row):
        # No tag tells much: what each word leads to must go with it by itself. (What a tag tells of some parts, each of
        # another type, is not in doubt where several types go with others equally well.)
        first = np.argsort(row < 0, kind="stable")[:_MOST_WORDS]
        words, row = words.at(first), row[first]
        # (The only pointer that the union may hold needs no more than that nothing speaks against it.)
        alone = _alone(_scores(state, kinds, words.target), WRONG if len(kinds) == 1 else 0)
        parts = told is not None and told.types > 1
        kept = (row >= 0) & ((alone == row) | (parts & (alone < 0)))
        row = np.where(kept, row, np.where(row >= 0, -1, alone))
    for index, number in enumerate(kinds):
        chosen = words.at(row == index)
        if len(chosen) and number != VOID:
            code = np.full(len(chosen), number, np.int32)
            trust = np.minimum(chosen.trust, np.uint8(Confidence.LIKELY))
            yield replace(chosen, code=code, trust=trust)


def _scores(state: TypingState, kinds: list[int], blocks: NDArray[np.int32]) -> Scores:
    """Return how well each type (a row) goes with each block; for VOID 0: where a union may lead to anything as well, a
    type must go with it better than that."""
    nothing = np.zeros(len(blocks), np.int64)
    return np.stack([nothing if each == VOID else _as_base(state, each, blocks) for each in kinds])


def _as_base(state: TypingState, number: int, blocks: NDArray[np.int32]) -> Scores:
    """Return how well it goes with each block that a pointer to the type, or to it as a base class, leads to it."""
    kinds, front = [number], [number]
    while front and len(kinds) < _MOST_KINDS:
        front = [each for base in front for each in state.embedded.derived(base) if each not in kinds]
        kinds += front
    scores: Scores = np.max([reading(state, each, blocks) for each in kinds[:_MOST_KINDS]], axis=0)
    return scores


def _alone(scores: Scores, least: int) -> NDArray[np.intp]:
    """Return the row of the type that each word's target goes with best, better than `least`, -1 where several are as
    good. Text comes first: it fits into any size, and structs seldom look like it."""
    best = scores.argmax(axis=0)
    most = scores.max(axis=0)
    ties = (scores == most).sum(axis=0) > 1
    found: NDArray[np.intp] = np.where((most > least) & ~ties, best, -1)
    return found
