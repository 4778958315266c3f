"""Blocks that nothing typed leads to, or only a void *, by all that their words say: of the structs of just their size
the one that many words speak for, and none against, where the others have less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.brothers import undecided_words
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.containers import container_kind, containers_in
from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.libstdcxx import is_closure, is_internal
from gdbheap.analysis.types.plausible import implausible
from gdbheap.analysis.types.slots import MIXED, VOID
from gdbheap.analysis.types.static_words import data_of_modules, words_into
from gdbheap.analysis.types.telling_words import KNOWN, LOOKS, TellingWords
from gdbheap.analysis.types.typing_state import TypingState, known_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]
    Numbers = NDArray[np.int64]

# So many sizes of blocks are looked at, so many blocks of each, and so many types.
_MOST_ROOMS, _MOST_BLOCKS, _MOST_TYPES = 512, 1 << 14, 64
# What must be said for a type, and more than for the next best.
_ENOUGH, _MARGIN = 4, 3
# So many blocks of one size, each with a little that speaks for the only type, are no accident.
_MANY = 8
_NEVER = -(1 << 20)
# Smaller structs are no elements; so many blocks, and pointers of each, are looked at for arrays, which have several.
_SMALLEST, _FEW, _MOST_EDGES, _SEVERAL = 16, 8, 32, 2


class ByValues:
    """Asks the words of blocks. It remembers which structs may be blocks, and the sizes of which nothing was found:
    these are asked again when what is known of their blocks, or of what they lead to, has changed."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._may_be: dict[int, bool] = {}
        self._in_vain: dict[int, int] = {}
        self._pointers: dict[int, NDArray[np.bool_] | None] = {}

    def find(self) -> Claims:
        """Return claims of the blocks without a type that lead to others, or into modules."""
        state = self._state
        leads = state.degree > 0
        leads[words_into(state, data_of_modules(state))[0]] = True
        unknown = np.flatnonzero((state.type < 0) & leads)
        unknown = unknown[np.argsort(state.room[unknown], kind="stable")]
        room_of = state.room[unknown]
        begin = np.flatnonzero(np.diff(room_of, prepend=-1))
        count = np.diff(begin, append=len(unknown))
        by_room, structs = _structs_by_room(state)
        telling, beside = TellingWords(state), _numbers_beside(state)
        is_beside = np.zeros(len(state), np.bool_)
        is_beside[np.concatenate([unknown[:0], *beside.values()])] = True
        found: list[Claims] = []
        for row in np.argsort(-count, kind="stable")[:_MOST_ROOMS].tolist():
            room = int(room_of[begin[row]])
            blocks = unknown[begin[row] : begin[row] + min(int(count[row]), _MOST_BLOCKS)].astype(np.int32)
            known = hash((known_of(state, blocks), is_beside[blocks].tobytes()))
            if self._in_vain.get(room) == known:
                continue
            kinds = [(each, 0) for each in by_room.get(room, []) if self._may(each)][:_MOST_TYPES]
            kinds += self._arrays(structs, room, blocks)
            told = list(_best(kinds, blocks, _scores(state, telling, beside, kinds, blocks))) if kinds else []
            if not any(map(len, told)):
                self._in_vain[room] = known
            found += told
        return joined(found)

    def _may(self, number: int) -> bool:
        if number not in self._may_be:
            self._may_be[number] = _may_be(self._state, number)
        return self._may_be[number]

    def _arrays(self, structs: Numbers, room: int, blocks: Blocks) -> list[tuple[int, int]]:
        """Return (struct, how many) of the arrays that take just so much room and have pointers where one of the
        blocks has."""
        state = self._state
        sizes, step = state.book.kinds_and_sizes()[1][structs], state.layouts.pointer_size
        several = (sizes >= _SMALLEST) & (sizes % step == 0) & (room >= 2 * sizes)
        several[several] = least_room(room // sizes[several] * sizes[several], state.layouts.overhead) == room
        first = blocks[:_FEW]
        places = [state.graph.place[np.arange(*state.begin[[b, b + 1]])[:_MOST_EDGES]] // step for b in first.tolist()]
        places = [each for each in places if len(each) >= _SEVERAL]
        found = []
        for number in structs[several].tolist() if places else []:
            pointers = self._pointers_of(number)
            led = pointers is not None and any(pointers[each % len(pointers)].all() for each in places)
            if led and self._may(number):
                found.append((number, room // state.book.info(number).size))
        return found[:_MOST_TYPES]

    def _pointers_of(self, number: int) -> NDArray[np.bool_] | None:
        """Return which words of a type are pointers, None where there is none."""
        if number not in self._pointers:
            codes = self._state.layouts.of(number).codes
            pointers = (codes >= 0) | (codes == VOID) | (codes == MIXED)
            self._pointers[number] = pointers if pointers.any() else None
        return self._pointers[number]


def _scores(
    state: TypingState,
    telling: TellingWords,
    beside: dict[int, NDArray[np.int32]],
    kinds: list[tuple[int, int]],
    blocks: Blocks,
) -> NDArray[np.int32]:
    """Return for each kind (a row) what speaks for it of each of the blocks."""
    scores = np.stack([_score(state, telling, *kind, blocks) for kind in kinds])
    for at, (number, several) in enumerate(kinds):
        sized = beside.get(state.book.info(number).size) if several else None
        if sized is not None:
            scores[at] += np.where((scores[at] > 0) & np.isin(blocks, sized), KNOWN, 0)
    return scores


def _numbers_beside(state: TypingState) -> dict[int, NDArray[np.int32]]:
    """Return the blocks that void * members lead to by the numbers beside these: one may be the size of their
    elements."""
    words = undecided_words(state)
    found: dict[int, list[NDArray[np.int32]]] = {}
    for slot in distinct(words.slot).tolist()[:_MOST_ROOMS]:
        here = words.at(words.slot == slot)
        number, word = state.layouts.owner(slot)
        if number < 0:
            continue
        begin = here.place - np.uint64(word * state.layouts.pointer_size)
        for offset, width in integers_of(state, number):
            values = read_integers(state, begin + np.uint64(offset), width)
            for value in distinct(values).tolist()[:_MOST_TYPES]:
                if value >= _SMALLEST:
                    found.setdefault(value, []).append(here.target[values == value])
    return {value: np.concatenate(each) for value, each in found.items()}


def _structs_by_room(state: TypingState) -> tuple[dict[int, list[int]], Numbers]:
    """Return the structs that pointers lead to somewhere in the program, by the room that malloc gives for them; and
    all of these."""
    book = state.book
    kinds, sizes = book.kinds_and_sizes()
    pointed = book.pointed_to()
    structs = np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > state.layouts.pointer_size))
    rooms = least_room(sizes[structs], state.layouts.overhead)
    found: dict[int, list[int]] = {}
    there = np.isin(structs, np.array(sorted(pointed), np.int64))
    for number, room in zip(structs[there].tolist(), rooms[there].tolist()):
        found.setdefault(room, []).append(number)
    return found, structs[there]


def _may_be(state: TypingState, number: int) -> bool:
    """Whether a block may be such a struct of C's (of C++'s classes more is known: lost_objects.py, vtables.py)."""
    book = state.book
    return (
        book.info(number).language != "c++"
        and not book.info(number).name.startswith("__va_list")
        and not is_internal(book, number)
        and not is_closure(book, number)
        and container_kind(book, number) is None
        and not containers_in(book, number)
    )


def _best(kinds: list[tuple[int, int]], blocks: Blocks, scores: NDArray[np.int32]) -> Iterator[Claims]:
    best, most = scores.argmax(axis=0), scores.max(axis=0)
    others = np.where(np.arange(len(kinds))[:, None] == best[None, :], _NEVER, scores)
    second = others.max(axis=0)
    alone = second < 0
    sure = (most >= _ENOUGH) & (alone | (most - second >= _MARGIN))
    little = (second <= 0) & (most >= LOOKS)
    for row in distinct(best[sure | little]).tolist():
        number, count = kinds[row]
        mine = best == row
        several = not count and np.count_nonzero(mine & little) >= _MANY
        chosen = blocks[mine & (sure | (little & several))]
        yield claims(chosen, number, How.POINTS_TO, Confidence.LIKELY, count=count)


def _score(state: TypingState, telling: TellingWords, number: int, count: int, blocks: Blocks) -> NDArray[np.int32]:
    """Return what speaks for it that each of the blocks is an object of the type, or `count` of them, _NEVER where
    anything speaks against it."""
    many = count > 0
    wrong = (evidence(state, number, blocks, 0, many)[1] + oddities(state, number, blocks, many)) > 0
    found = np.full(len(blocks), _NEVER, np.int32)
    left = np.flatnonzero(~wrong)
    left = left[implausible(state, number, blocks[left]) == 0]
    said, explained = telling.ask(number, blocks[left], many)
    found[left] = np.where(explained, said, np.minimum(said, LOOKS))
    return found
