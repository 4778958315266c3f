"""Names carried along typed pointers: front by front, as long as what is pointed to is just as large as the pointer's
type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.bases import tagged
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.embedded import Embedded
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.inner_objects import enter_inner, inner_claims
from gdbheap.analysis.types.libstdcxx import is_value
from gdbheap.analysis.types.narrow import PlainLoop, lists_from
from gdbheap.analysis.types.own_storage import OwnStorage
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords, Wanted, joined_words, words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, codes_of, distinct, firsts_of
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# After so many fronts of so few blocks it is taken for a list.
_NARROW = 64
_PATIENCE = 16
# So often objects in blocks lead to others.
_MOST_INSIDE = 128
# No chunk that malloc makes larger than what was asked for has more words.
_SMALL_WORDS = 3


class Propagation:
    """Carries on from what is typed, and keeps the words whose targets are not so plain (`waiting`)."""

    def __init__(self, state: TypingState, embedded: Embedded) -> None:
        self.state = state
        self._embedded = embedded
        self._doubts: dict[tuple[int, int], bool] = {}
        self._waiting: list[TypedWords] = []
        # Words that lead into blocks of which a part is known.
        self._into: list[TypedWords] = []
        self._tried: set[int] = set()
        self._storage = OwnStorage(state)
        self._plain_loop = PlainLoop(state, self.has_larger)
        # The places of words of unions whose type is known, ascending.
        self._retyped = np.empty(0, np.uint64)

    def believe(self, claimed: Claims) -> int:
        """Take claims, and go on from their blocks; return how many were new."""
        fresh = self.state.take(claimed)
        self.follow(self._words(fresh))
        return len(fresh)

    def retype(self, words: TypedWords) -> int:
        """Go on from words of which is known now what they are; return how many had not been told before."""
        fresh = np.flatnonzero(~are_among(words.place, self._retyped))
        self._retyped = np.sort(np.concatenate((self._retyped, words.place[fresh])))
        self.follow(words.at(fresh))
        return len(fresh)

    def follow(self, words: TypedWords) -> None:
        """Go on from these words to all that typed pointers lead to."""
        state = self.state
        narrow = 0
        while len(words):
            loose = state.loose[words.target]
            if loose.any():
                self._into.append(words.at(loose))
            words = words.at(state.type[words.target] < 0)
            claimed, rest = self._plain(words)
            learned, rest = self._learned(rest)
            told, rest = tagged(state, rest)
            if len(rest):
                self._waiting.append(rest)
            front = state.take(joined([claimed, learned, told]))
            narrow = narrow + 1 if 0 < len(front) <= _NARROW else 0
            words = self._long(front) if narrow > _PATIENCE else self._words(front)

    def _long(self, front: NDArray[np.int32]) -> TypedWords:
        """Go on from a front that has been narrow for long; return the words that are left to do."""
        state = self.state
        listed = state.take(lists_from(state, front, self._tried, self.has_larger))
        if len(listed):
            return self._words(np.concatenate((front, listed)))
        front, edges = self._plain_loop.go(front)
        return joined_words([words_of(state, edges, Wanted.LEADING), self._words(front)])

    def look_inside(self) -> int:
        """Go on from objects inside blocks, as long as there are more of them; return how many were found."""
        found = 0
        tried = np.empty(0, np.uint64)
        for _ in range(_MOST_INSIDE):
            waiting = self.waiting()
            pieces = [*self._into, *([] if waiting is None else [waiting])]
            if not pieces:
                break
            words = joined_words(pieces)
            # (What has been tried for the objects before these waits for the next time.)
            words = words.at(~are_among(words.place, tried))
            tried = np.sort(np.concatenate((tried, words.place)))
            arrays, inner = inner_claims(self.state, words)
            self._into = []
            if not len(arrays) + len(inner):
                break
            found += len(arrays) + len(inner)
            self.follow(self._words(self.state.take(arrays)))
            self.follow(enter_inner(self.state, inner))
        return found

    def look_into_storage(self) -> int:
        """Go on from elements that lie in raw bytes of the objects that point to them; return how many there are."""
        words = self._storage.find()
        if words is None:
            return 0
        self.follow(enter_inner(self.state, words))
        return len(words)

    def waiting(self) -> TypedWords | None:
        """Return the words whose targets have no type yet, None where there are none."""
        if not self._waiting:
            return None
        words = joined_words(self._waiting)
        loose = self.state.loose[words.target]
        if loose.any():
            self._into.append(words.at(loose))
        words = words.at(self.state.type[words.target] < 0)
        self._waiting = [words] if len(words) else []
        return words if len(words) else None

    def _words(self, blocks: NDArray[np.int32]) -> TypedWords:
        return words_of(self.state, self.state.edges_of(blocks), Wanted.LEADING)

    def _learned(self, words: TypedWords) -> tuple[Claims, TypedWords]:
        """Return what words claim that lead to parts which were seen before, and the other words."""
        state = self.state
        if not state.learned or not len(words):
            return joined([]), words
        room = state.room[words.target]
        which = codes_of(words.code, words.offset, room)
        first = firsts_of(which)
        keys = zip(words.code[first].tolist(), words.offset[first].tolist(), room[first].tolist())
        # (Where a header has a tag, that tells better.)
        known = [(-1, 0) if key[0] in state.tag_rules else state.learned.get(key, (-1, 0)) for key in keys]
        types, trust = np.array(known, np.int64)[which].T
        sound = types >= 0
        for number in distinct(types[sound]).tolist():
            here = np.flatnonzero(types == number)
            order = here[np.argsort(words.target[here], kind="stable")]
            sound[order] = evidence(state, number, words.target[order])[1] == 0
        chosen = words.at(sound)
        found = claims(
            chosen.target,
            types[sound].astype(np.int32),
            How.PART,
            parent=chosen.parent,
            parent_place=chosen.place,
        )
        found.confidence[:] = np.minimum(chosen.trust, trust[sound])
        return found, words.at(~sound)

    def _plain(self, words: TypedWords) -> tuple[Claims, TypedWords]:
        """Return what the words claim that point to the start of a block with just the room for their struct, or
        with room for it and the flexible array behind it; and the other words."""
        state, layouts = self.state, self.state.layouts
        local = layouts.local(np.where(words.code >= 0, words.code, -1).astype(np.int32))
        typed = words.code >= 0
        size, kind = layouts.size[local], layouts.kind[local]
        room = state.room[words.target]
        is_struct = typed & ((kind == TypeKind.STRUCT) | (kind == TypeKind.UNION)) & (size > 0)
        at_start = is_struct & (words.offset == 0)
        flexible = at_start & (layouts.flexible[local] >= 0) & (room >= layouts.flexible[local])
        several = at_start & words.many & (room >= size)
        exact = at_start & fits(room, size, layouts.overhead)
        exact &= ~self._goes_on(words, exact & (room >= 2 * size), size)
        # (What may be the beginning of something else waits for what speaks for either: bases.py.)
        exact[exact] = ~self.may_be_part(words.at(exact))
        plain = several | flexible | exact
        count = np.where(several, room // np.maximum(size, 1), 0)
        chosen = words.at(plain)
        how = np.where(chosen.parent < 0, int(How.VARIABLE), int(How.MEMBER)).astype(np.uint8)
        claimed = claims(
            chosen.target,
            chosen.code,
            How.MEMBER,
            count=count[plain].astype(np.int32),
            parent=chosen.parent,
            parent_place=chosen.place,
        )
        claimed.confidence[:] = np.where(
            flexible[plain] & self.may_be_part(chosen),
            np.minimum(chosen.trust, int(Confidence.LIKELY)),
            chosen.trust,
        )
        claimed.how[:] = how
        return claimed, words.at(~plain)

    def _goes_on(self, words: TypedWords, asked: NDArray[np.bool_], size: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the words asked about lead to something small, where something lies behind it in the room
        that malloc gives at least."""
        state, step = self.state, self.state.layouts.pointer_size
        found = np.zeros(len(words), np.bool_)
        here = np.flatnonzero(asked & (size % step == 0) & ~words.many)
        if len(here):
            target = words.target[here]
            held = gather_words(state.process.memory, step, state.held.blocks.start[target], _SMALL_WORDS)
            behind = np.arange(_SMALL_WORDS)[None, :] * step
            inside = (behind >= size[here][:, None]) & (behind < state.room[target][:, None])
            found[here] = ((held != 0) & inside).any(axis=1)
        return found

    def may_be_part(self, words: TypedWords) -> NDArray[np.bool_]:
        """Return which of the words lead to what may be the first part of another struct (a base class), for which
        malloc would give the same room. (A container's array is just of what it says.)"""
        room = self.state.room[words.target]
        which = codes_of(words.code, room)
        first = firsts_of(which)
        pairs = zip(words.code[first].tolist(), room[first].tolist())
        doubts = np.array([self.has_larger(*pair) for pair in pairs], np.bool_)
        found: NDArray[np.bool_] = doubts[which] & ~words.many
        return found

    def has_larger(self, number: int, room: int) -> bool:
        """Whether a struct that begins with this one may have just so much room."""
        if (number, room) not in self._doubts:
            holders = [holder for holder, place in self._embedded.holders(number) if not place]
            holders = [holder for holder in holders if not is_value(self.state.book, holder)]
            sizes = np.array([self.state.book.info(holder).size for holder in holders], np.int64)
            rooms = np.full(len(sizes), room)
            self._doubts[number, room] = bool(fits(rooms, sizes, self.state.layouts.overhead).any())
        return self._doubts[number, room]
