"""Blocks that point into modules: to variables (a table of operations, a class, a description of a kind), to functions.
Where only one struct of a block's size has pointers to such in these places, the block is one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.libstdcxx import is_internal
from gdbheap.analysis.types.readings import container_signs
from gdbheap.analysis.types.slots import CODE, MIXED, VOID
from gdbheap.analysis.types.static_words import words_into
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, firsts_of
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.typed_root import RootKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    # Which kind of thing lies at each place: (place in the block, a variable's type or CODE).
    Signature = tuple[tuple[int, int], ...]

# So many groups of blocks alike are looked at, and so many types of a size.
_MOST_GROUPS = 1024
_MOST_TYPES = 512
# One pointer to a variable is enough, or so many to functions.
_FUNCTIONS = 2
# 2**64 divided by the golden ratio, to mix numbers.
_MIX = 0x9E3779B97F4A7C15


class StaticTargets:
    """Names blocks by what they point to in modules. These words do not change: they are found once."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._structs: dict[int, list[int]] = {}
        self._groups = self._found()

    def find(self) -> Claims:
        """Return claims of blocks that have no type yet."""
        told: list[Claims] = []
        for room, signature, blocks in self._groups:
            unknown = blocks[self._state.type[blocks] < 0]
            if len(unknown):
                told.append(self._of_group(room, signature, unknown))
        return joined(told)

    def _found(self) -> list[tuple[int, Signature, NDArray[np.int32]]]:
        """Return (room, signature, blocks) of the blocks with such words."""
        state = self._state
        address, kinds = variables_of(state)
        ranges = [(vma.start, vma.end) for vma in state.process.address_space if vma.is_file]
        block, place, word = words_into(state, ranges)
        at = np.minimum(np.searchsorted(address, word), len(address) - 1)
        is_variable = address[at] == word
        kind = np.where(is_variable, kinds[at], CODE)
        chosen = (state.type[block] < 0) & (is_variable | state.code.hold(word))
        block, place, kind = block[chosen], place[chosen], kind[chosen]
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        mixed = (place.astype(np.uint64) << np.uint64(32)) + kind.astype(np.uint32)
        mixed = (mixed ^ mixed >> np.uint64(29)) * np.uint64(_MIX)
        total = np.add.reduceat(mixed, starts) if len(starts) else mixed
        room = state.room[block[starts]]
        which = codes_of(room, total)
        first, order = firsts_of(which), np.argsort(which, kind="stable")
        begin = np.searchsorted(which[order], np.arange(len(first) + 1))
        found = []
        ends = np.append(starts[1:], len(block))
        for group in np.argsort(-np.diff(begin), kind="stable")[:_MOST_GROUPS].tolist():
            here = slice(int(starts[first[group]]), int(ends[first[group]]))
            signature = tuple(zip(place[here].tolist(), kind[here].tolist()))
            blocks = block[starts[order[begin[group] : begin[group + 1]]]].astype(np.int32)
            found.append((int(room[first[group]]), signature, blocks))
        return found

    def _of_group(self, room: int, signature: Signature, blocks: NDArray[np.int32]) -> Claims:
        having = [number for number in self._of_room(room) if self._has(number, signature)]
        sound = np.array([self._goes_with(number, blocks) for number in having], np.bool_).reshape(-1, len(blocks))
        alone = np.sum(sound, axis=0) == 1
        return joined(
            [
                claims(blocks[alone & fine], number, How.POINTS_TO, Confidence.LIKELY)
                for number, fine in zip(having, sound)
                if not is_internal(self._state.book, number)
            ]
        )

    def _has(self, number: int, signature: Signature) -> bool:
        """Whether a struct has pointers to such things in these places, and no others would do."""
        state, telling = self._state, 0
        codes = state.layouts.of(number).codes
        for place, kind in signature:
            word = place // state.layouts.pointer_size
            code = int(codes[word]) if word < len(codes) else NONE
            if code in (VOID, MIXED):
                continue
            if kind == CODE and code == CODE:
                telling += 1
            elif kind != CODE and code >= 0 and state.embedded.begins_with(kind, code):
                telling += _FUNCTIONS
            else:
                return False
        return telling >= _FUNCTIONS

    def _goes_with(self, number: int, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
        bad = evidence(self._state, number, blocks)[1] + oddities(self._state, number, blocks)
        bad += container_signs(self._state, number, blocks) < 0
        fine: NDArray[np.bool_] = bad == 0
        return fine

    def _of_room(self, room: int) -> list[int]:
        """Return the structs that malloc gives just so much room for."""
        if room not in self._structs:
            kinds, sizes = self._state.book.kinds_and_sizes()
            fitting = (kinds == TypeKind.STRUCT) & (sizes > 0)
            fitting[fitting] = least_room(sizes[fitting], self._state.layouts.overhead) == room
            self._structs[room] = np.flatnonzero(fitting).tolist()[:_MOST_TYPES]
        return self._structs[room]


def variables_of(state: TypingState) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the addresses, in order, and the types of the variables that are structs; there is one at least."""
    book, rows = state.book, {0: NONE}
    for root in state.roots:
        number = book.stripped(root.type) if root.kind is RootKind.STATIC else NONE
        if number != NONE and book.info(number).kind is TypeKind.STRUCT:
            rows[root.address] = number
    ordered = sorted(rows.items())
    return np.array([row[0] for row in ordered], np.uint64), np.array([row[1] for row in ordered], np.int64)
