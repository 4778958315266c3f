"""Blocks that nothing typed leads to, by what they point to themselves: lost ones, and what void * members hold.

Blocks of one size that point from the same places to the same types are one group. A struct of just that size goes
with it if each of these places is a pointer of its, to what is there, and no other word speaks against it. What a
group points to must be known, at least in part, or blocks of the same shape must have been named before: size and
shape alone never name.
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.brothers import undecided_words
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.containers import container_kind
from gdbheap.analysis.types.counted_data import with_counted_data
from gdbheap.analysis.types.deep_shapes import deep_shapes, groups_of, named_deep_shapes
from gdbheap.analysis.types.disputed import undisputed
from gdbheap.analysis.types.evidence import evidence, first_words
from gdbheap.analysis.types.fits import ALIGNMENT, fits, least_room
from gdbheap.analysis.types.kin_arrays import KinArrays
from gdbheap.analysis.types.libstdcxx import is_closure, is_internal, is_value
from gdbheap.analysis.types.may_be_told import may_be_told, may_grow_to
from gdbheap.analysis.types.only_type import Alike, goes_with, only_text, only_type
from gdbheap.analysis.types.shapes import exact_shapes, named_shapes, plain_shapes, shapes_of_several
from gdbheap.analysis.types.slots import BYTES, INTEGER, MIXED, PADDING, VOID
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.used_unions import codes_as_used
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, codes_of, distinct, firsts_of
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# So many groups are looked at, so many blocks of each, so many pointers of each block, so many types for each size.
_MOST_GROUPS = 512
_MOST_BLOCKS = 48
_MOST_EDGES = 32
_MOST_TYPES = 512
# What a pointer counts for: to a block of just the type that it should be, to text, to a block of the right size, to
# one with room enough; and that blocks of the same size, of the same shape, or even with the same targets have the
# type. The shape alone decides between no two types.
_AGREES, _TEXT, _FITS, _ROOM = 2.0, 1.0, 0.5, 0.25
# More than text: what is in front of it has just the size of the struct's other members.
_GROWN_TEXT = 0.5
_MOST_FITS = 1.0
# Fewer letters may be a small number.
_LETTERS = 4
# Against a type counts a pointer where it has a number.
_STRAY = 2.0
_SAME_SIZE, _SAME_SHAPE, _SAME_TARGETS = 0.25, 0.5, 2.0
# No other struct has such a size and pointers in these places.
_ALONE = 0.5
_ENOUGH, _MARGIN = 2.0, 0.5
# Fewer pointers a block than this look alike by accident.
_TELLING = 2
# So many of the best are held against the bytes.
_MOST_TRIED = 8


class ByTargets:
    """Names blocks by what they point to. It remembers the types of each size."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._types: dict[int, tuple[Numbers, NDArray[np.int32]]] = {}
        self._in_vain: set[tuple[int, ...]] = set()
        self._plain: NDArray[np.uint64] | None = None
        self._deep: tuple[NDArray[np.uint64], Numbers] | None = None
        self._occurring: dict[int, list[int]] = {}
        self._flexible: list[int] | None = None
        self._of_several: set[int] = set()
        self._kin = KinArrays(state)
        # The blocks that void * members lead to.
        self._held_by_void = np.zeros(len(state), np.bool_)

    def find(self, left_out: Mask) -> Claims:
        """Return claims of blocks that have no type yet, but for those left out."""
        state = self._state
        blocks = np.flatnonzero((state.type < 0) & (state.degree > 0) & ~left_out)
        blocks = blocks[may_be_told(state, self._growing(), self._pointing, blocks, _MOST_EDGES)]
        if not len(blocks):
            return joined([])
        if self._plain is None:
            self._plain = plain_shapes(state)
        plain, exact = self._plain[blocks], exact_shapes(state, blocks)
        named = np.flatnonzero(state.well_named() & (state.degree > 0))
        named = named[are_among(self._plain[named], distinct(plain))]
        exact_of_named = exact_shapes(state, named)
        known_deep, deep = self._deeply(blocks)
        brothers = (
            (named_shapes(state, named, self._plain[named], False), plain, _SAME_SHAPE),
            (named_shapes(state, named, exact_of_named, True), exact, _SAME_TARGETS),
            (known_deep, deep, _SAME_TARGETS),
        )
        self._of_several = shapes_of_several(state, named, exact_of_named, self._plain)
        self._occurring = _types_by_room(state)
        self._held_by_void[:] = False
        self._held_by_void[undecided_words(state).target] = True
        found = []
        for rows in groups_of(exact, deep, known_deep, _MOST_GROUPS):
            first = int(rows[0])
            bonus = {known[int(shape[first])]: more for known, shape, more in brothers if int(shape[first]) in known}
            group = (int(exact[first]), *bonus)
            if group in self._in_vain or (group[0] in self._of_several and int(deep[first]) not in known_deep):
                continue
            found.append(self._of_group(blocks[rows], bonus))
            if not len(found[-1]):
                self._in_vain.add(group)
        return undisputed(state, joined(found))

    def _deeply(self, blocks: NDArray[np.intp]) -> tuple[dict[int, int], NDArray[np.uint64]]:
        """Return the types of named blocks by what they look like deep down, and what these blocks look like so."""
        state = self._state
        named = np.flatnonzero((state.well_named() | (state.how == How.CALLBACK)) & (state.degree > 0))
        named = named[are_among(state.room[named], distinct(state.room[blocks]))]
        if not len(named):
            return {}, np.zeros(len(blocks), np.uint64)
        if self._deep is None:
            self._deep = deep_shapes(state)
        shape, pointers = self._deep
        named = named[are_among(shape[named], distinct(shape[blocks]))]
        return named_deep_shapes(state, named, shape, pointers), shape[blocks]

    def _of_group(self, blocks: NDArray[np.intp], bonus: dict[int, float]) -> Claims:
        state = self._state
        room = int(state.room[blocks[0]])
        numbers, codes = self._of_room(room)
        sample = blocks[:: max(len(blocks) // _MOST_BLOCKS, 1)][:_MOST_BLOCKS].astype(np.int32)
        edges = state.edges_of(sample, _MOST_EDGES)
        edges = edges[state.graph.place[edges] < room]  # not those in a header of the program's own
        if not len(edges):
            return joined([])
        place = state.graph.place[edges].astype(np.int64) // state.layouts.pointer_size
        # Only few have something like a pointer wherever there is one.
        rows = np.flatnonzero(_may_be_pointers(codes[:, place]).all(axis=1))
        if not len(rows):
            return self._pointers(blocks, sample, edges)
        numbers, codes = numbers[rows], codes[rows]
        if max(bonus.values(), default=0.0) < _SAME_TARGETS and not _tells_any(codes[:, place]):
            return self._pointers(blocks, sample, edges)
        here = codes_as_used(state, numbers, codes[:, place], place, edges)
        said, agreeing, telling, explained, roomy = self._score(here, edges, len(sample))
        said, telling, explained = with_counted_data(state, numbers, here, edges, (said, telling, explained))
        # (A void * explains nothing, and asks for nothing.)
        bearing = np.where(agreeing >= len(sample), len(edges) - np.count_nonzero(here == VOID, axis=1), len(edges))
        score = said / len(sample) + _ROOM * np.minimum(roomy / len(sample), 1)
        possible = _may_be_pointers(here).all(axis=1)
        occurring = np.isin(numbers, np.array(self._occurring.get(room, []), np.int64))
        score += _SAME_SIZE * occurring
        more = np.array([bonus.get(number, 0.0) for number in numbers.tolist()])
        score += np.where(more >= _SAME_TARGETS, more, 0)
        score[~possible] = -1
        # A type that nobody else names must be that of something that its pointers lead to; a void * explains nothing.
        known = occurring | ((2 * agreeing >= len(sample)) & (explained >= 2 * len(sample)))
        # (Three pointers that all go with one struct's, two of them to text, and with no other's of that size, are no
        # accident.)
        rivals = possible & (2 * explained >= bearing) & (explained > 0)
        alone = (np.count_nonzero(rivals) == 1) & (explained == len(edges))
        known |= alone & (explained >= 3 * len(sample)) & (telling >= 2 * len(sample))
        known &= 2 * explained >= bearing

        @functools.cache
        def all_pointers() -> Mask:
            return self._points_everywhere(sample)

        sound = functools.cache(lambda number: goes_with(state, number, sample))
        alike = Alike(len(blocks), sample, edges, all_pointers, sound)
        only = only_type(state, alike, numbers, here)
        score[only] = np.maximum(score[only], _ENOUGH)
        if score.max() + _ALONE + _SAME_SHAPE < _ENOUGH:
            return self._pointers(blocks, sample, edges)
        known[only] = True
        # (What has nothing but pointers may as well be an array of some: one must say more than that it may be right.)
        if all_pointers().any():
            known &= telling >= len(sample)
        known |= more >= _SAME_TARGETS
        score[~known] = np.minimum(score[~known], _ENOUGH - _ALONE - _SAME_SHAPE - _MARGIN)
        text = only_text(state, alike, numbers, here, self._held_by_void[blocks])
        if text and len(edges) < _TELLING * len(sample):
            # (That others look so, too, says nothing where these go with one type alone.)
            score -= np.where(more >= _SAME_TARGETS, more, 0)
        score[text] = np.maximum(score[text], _ENOUGH)
        found = self._best(blocks, alike, numbers, score, more)
        return found if len(found) else self._pointers(blocks, sample, edges)

    def _best(
        self,
        blocks: NDArray[np.intp],
        alike: Alike,
        numbers: Numbers,
        score: NDArray[np.float64],
        bonus: NDArray[np.float64],
    ) -> Claims:
        """Return claims for the best of the types, where its bytes go with it and no other is about as good."""
        order = np.argsort(-score, kind="stable")[:_MOST_TRIED]
        # (More than the best two decide nothing: to hold the bytes against a type costs most.)
        going = (at for at in order.tolist() if score[at] > 0 and alike.goes_with(int(numbers[at])))
        first = next(going, None)
        if first is None or score[first] + _ALONE + bonus[first] < _ENOUGH:
            return joined([])
        sound = [first, *itertools.islice(going, 1)]
        alone = _ALONE if len(sound) == 1 else 0.0
        shape = float(bonus[sound[0]]) if bonus[sound[0]] < _SAME_TARGETS else 0.0
        if score[sound[0]] + alone + shape < _ENOUGH:
            return joined([])
        if len(sound) > 1 and score[sound[0]] - score[sound[1]] < _MARGIN:
            return joined([])
        number = int(numbers[sound[0]])
        every = blocks.astype(np.int32)
        every = every[evidence(self._state, number, every)[1] == 0]
        how = How.SAME_CALL if bonus[sound[0]] else How.POINTS_TO
        return claims(every, number, how, Confidence.LIKELY)

    def _pointers(self, blocks: NDArray[np.intp], sample: NDArray[np.int32], edges: Numbers) -> Claims:
        """Return claims of arrays of pointers: all words lead to blocks of one type or its likes, or nowhere."""
        state = self._state
        target = state.graph.target[edges]
        whole = (state.type[target] >= 0) & (state.graph.offset[edges] == 0) & (state.part[target] == 0)
        if not whole.all() or len(edges) < 2 * len(sample):
            return joined([])
        elements = self._kin.elements(target)
        if len(elements) != 1 or state.book.info(elements[0]).kind not in (TypeKind.STRUCT, TypeKind.UNION):
            return joined([])
        pointer = state.book.pointer_to(elements[0], state.layouts.pointer_size)
        every = blocks.astype(np.int32)
        good, bad = evidence(state, pointer, every, 0, True)
        every = every[(bad == 0) & (good > 0) & self._points_everywhere(every)]
        count = (state.room[every] // state.layouts.pointer_size).astype(np.int32)
        trust = Confidence.POSSIBLE if self._kin.may_be_anything() else Confidence.LIKELY
        return claims(every, pointer, How.POINTS_TO, trust, count=count)

    def _points_everywhere(self, blocks: NDArray[np.int32]) -> Mask:
        """Return which of the blocks, all of one size, hold nothing but pointers into blocks, and zeros."""
        state, size = self._state, self._state.layouts.pointer_size
        count = int(state.room[blocks].max(initial=0)) // size
        words = first_words(state, blocks, 0, count)
        everywhere: Mask = np.count_nonzero(words, axis=1) == state.degree[blocks]
        return everywhere

    def _score(
        self, codes: NDArray[np.int32], edges: Numbers, count: int
    ) -> tuple[NDArray[np.float64], Numbers, Numbers, Numbers, Numbers]:
        """Return for each type (a row of `codes`: what it has where each edge of `count` blocks lies) the sum of what
        the edges say, how many lead to just what they should, how many to that or to text, how many to what they may,
        and how many to what has room for it at least."""
        state = self._state
        target, offset = state.graph.target[edges], state.graph.offset[edges]
        known, room = state.type[target], state.room[target]
        local = state.layouts.local(np.maximum(codes, -1))
        kind, size = state.layouts.kind[local], state.layouts.size[local]
        is_struct = (kind == TypeKind.STRUCT) | (kind == TypeKind.UNION)
        agrees = ((codes == known[None, :]) & (codes >= 0) & (kind == TypeKind.POINTER)) | (
            is_struct & self._led_to(codes, target, offset)
        )
        fitting = is_struct & (known < 0) & (offset == 0) & fits(room[None, :], size, state.layouts.overhead)
        unknown = (offset == 0) & (known < 0)
        plainly_text = is_text(state, target, 0, _LETTERS) & unknown
        text = is_text(state, target) & unknown
        text &= plainly_text | ~state.pointing[target]
        roomy = is_struct & (known < 0)[None, :] & ~fitting & (room[None, :] >= size)
        grown, with_text = self._grown(codes, target, room)
        fitting |= grown & is_struct & ((known < 0) & (offset == 0))[None, :]
        text_pointers = ((kind == TypeKind.CHARACTER) & text[None, :]) | (with_text & ~plainly_text[None, :] & fitting)
        other = (((known >= 0) & state.whole[target] & (offset == 0)) | plainly_text)[None, :]
        clash = is_struct & other & ~agrees
        said = _AGREES * agrees + _TEXT * text_pointers - _AGREES * clash + _GROWN_TEXT * with_text
        # (Blocks of some size are many: that a dozen pointers lead to such says hardly more than that two do.)
        fit = np.minimum(_FITS * (fitting & ~clash).sum(axis=1), _MOST_FITS * count)
        stray = (codes == INTEGER) & (offset == 0)[None, :]
        total: NDArray[np.float64] = said.sum(axis=1) + fit - _STRAY * stray.sum(axis=1)
        explained = agrees | fitting | text_pointers | (roomy & ~clash)
        telling = agrees | text_pointers
        return total, agrees.sum(axis=1), telling.sum(axis=1), explained.sum(axis=1), (roomy & ~clash).sum(axis=1)

    def _led_to(self, codes: NDArray[np.int32], target: NDArray[np.int32], offset: NDArray[np.uint32]) -> Mask:
        """Return where an edge leads to just what the code says, or to one that a larger object has there."""
        state = self._state
        known, inside = state.type[target], offset.astype(np.int64) - state.part[target]
        which = codes_of(known, inside)
        first = firsts_of(which)
        found = np.zeros(codes.shape, np.bool_)
        for index, (number, place) in enumerate(zip(known[first].tolist(), inside[first].tolist())):
            if number >= 0:
                here = which == index
                found[:, here] = np.isin(codes[:, here], state.embedded.at(number, place))
        return found

    def _grown(self, codes: NDArray[np.int32], target: NDArray[np.int32], room: Numbers) -> tuple[Mask, Mask]:
        """Return where an edge's target has just the room for a struct with a flexible array and some elements of it,
        and where these are text."""
        state = self._state
        grown, with_text = np.zeros(codes.shape, np.bool_), np.zeros(codes.shape, np.bool_)
        for number in distinct(codes[codes >= 0]).tolist():
            layout = state.layouts.of(number)
            if layout.flexible < 0 or not layout.stride:
                continue
            length = layout.flexible + np.maximum(room - layout.flexible, 0) // layout.stride * layout.stride
            fits_here = (room >= layout.flexible) & (least_room(length, state.layouts.overhead) == room)
            # (A flexible array of no more than malloc's alignment a step grows to any room: that says nothing.)
            if layout.stride > ALIGNMENT:
                grown |= (codes == number) & fits_here[None, :]
            if state.book.info(layout.element).kind is TypeKind.CHARACTER:
                text = is_text(state, target, layout.flexible) & fits_here
                with_text |= (codes == number) & text[None, :]
        return grown, with_text

    def _pointing(self, room: int) -> Mask:
        """Return in which words each of the types that just so much room is given for may have a pointer."""
        return _may_be_pointers(self._of_room(room)[1])

    def _of_room(self, room: int) -> tuple[Numbers, NDArray[np.int32]]:
        """Return the structs that malloc gives just so much room for, and their words."""
        if room not in self._types:
            state = self._state
            kinds, sizes = state.book.kinds_and_sizes()
            is_struct = (kinds == TypeKind.STRUCT) & (sizes > 0)
            rooms = least_room(sizes, state.layouts.overhead)
            numbers = np.flatnonzero(is_struct & (rooms == room))[:_MOST_TYPES]
            # All lists of the library look alike, and all their nodes: lost_objects.py judges these.
            alike = [
                container_kind(state.book, each) is not None
                or is_internal(state.book, each)
                or is_value(state.book, each)
                or is_closure(state.book, each)
                or not state.book.info(each).name
                for each in numbers.tolist()
            ]
            numbers = numbers[~np.array(alike, np.bool_)]
            asked = np.array([room], np.int64)
            growing = [each for each in self._growing() if may_grow_to(state, each, asked)[0]]
            numbers = np.append(numbers, np.setdiff1d(growing, numbers)).astype(np.int64)
            words = -(-room // state.layouts.pointer_size)
            codes = np.full((len(numbers), words), BYTES, np.int32)
            for row, number in enumerate(numbers.tolist()):
                codes[row, :] = self._words(number, words)
            self._types[room] = numbers, codes
        return self._types[room]

    def _growing(self) -> list[int]:
        """Return the structs that end with a flexible array."""
        if self._flexible is None:
            state = self._state
            kinds, sizes = state.book.kinds_and_sizes()
            structs = np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > 0))
            ending = [each for each in structs.tolist() if self._ends_with_array(each)]
            self._flexible = ending[:_MOST_TYPES]
        return self._flexible

    def _ends_with_array(self, number: int) -> bool:
        book = self._state.book
        members = book.info(number).members
        last = book.stripped(members[-1].type) if members else -1
        return last >= 0 and book.info(last).kind is TypeKind.ARRAY and book.info(last).count <= 1

    def _words(self, number: int, words: int) -> NDArray[np.int32]:
        """Return what the first words of an object are, those of its flexible array among them."""
        layouts, layout = self._state.layouts, self._state.layouts.of(number)
        codes = np.full(words, PADDING, np.int32)
        own = layout.codes[:words]
        codes[: len(own)] = own
        if layout.flexible >= 0:
            element, first = layouts.of(layout.element).codes, layout.flexible // layouts.pointer_size
            more = np.tile(element, -(-words // max(len(element), 1)))
            codes[first:] = more[: max(words - first, 0)]
        return codes


def _may_be_pointers(codes: NDArray[np.int32]) -> Mask:
    """Return which words of types a pointer may lie in."""
    found: Mask = (codes >= 0) | (codes == VOID) | (codes == MIXED) | (codes == INTEGER)
    return found


def _tells_any(codes: NDArray[np.int32]) -> bool:
    """Whether a type has a pointer to something in one of these words, or a union that may be one."""
    return bool(((codes >= 0) | (codes == MIXED)).any())


def _types_by_room(state: TypingState) -> dict[int, list[int]]:
    """Return the types of the blocks of each size that are well named."""
    named = state.well_named()
    found: dict[int, list[int]] = {}
    for pair in distinct((state.room[named] << 32) + state.type[named]).tolist():
        found.setdefault(pair >> 32, []).append(pair & 0xFFFF_FFFF)
    return found
