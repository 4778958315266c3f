"""What each word of a block says for a struct: a pointer to a name among the constants, to a function, to a variable,
to a list's node that points back, to an array of pointers, to data whose length a number beside it says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.evidence import is_kin
from gdbheap.analysis.types.fits import fits, least_room
from gdbheap.analysis.types.plausible import implausible, leaves, numbers_in
from gdbheap.analysis.types.readings import looks_like
from gdbheap.analysis.types.slots import CODE, INTEGER, MIXED, PADDING, PLAIN, VOID, VTABLE
from gdbheap.analysis.types.static_targets import variables_of
from gdbheap.analysis.types.texts import MOST_LETTERS, is_text, letters_at
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Signs = NDArray[np.int32]

# For a type: what is known to be what it should; what looks so; what has just the room for it.
KNOWN, LOOKS, FITS = 4, 2, 1
# Against it: what cannot be so; pointers where it has none, and anything behind its end.
_AGAINST, _STRAY, _BEYOND = -64, -4, -2
_MOST_WORDS = 64
# Fewer letters may be a small number; fewer bytes a count of anything.
_LETTERS, _LEAST = 4, 32
# A header of the program's own is no longer.
_LONGEST_HEADER = 64


class TellingWords:
    """Asks words of blocks. It remembers the variables, and who points back."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._address, self._kinds = variables_of(state)

    @functools.cached_property
    def _back(self) -> NDArray[np.int64]:
        """All edges, turned round, in order."""
        graph = self._state.graph
        pairs: NDArray[np.int64] = (graph.target.astype(np.int64) << 32) | graph.source
        pairs.sort()
        return pairs

    def ask(self, number: int, blocks: NDArray[np.int32], many: bool = False) -> tuple[Signs, NDArray[np.bool_]]:
        """Return for each of the blocks, which ascend and have one size, how much its words say for it that it is an
        object of the type (`many`: several of them), far below 0 where one speaks against it; and whether most
        pointers in it say something."""
        state, size = self._state, self._state.layouts.pointer_size
        most = min(int(state.room[blocks].max(initial=0)) // size, _MOST_WORDS)
        codes = np.full(most, PADDING, np.int32)
        own = state.layouts.of(number).codes
        own = np.tile(own, -(-most // max(len(own), 1)))[:most] if many else own[:most]
        codes[: len(own)] = own
        words = gather_words(state.process.memory, size, state.held.blocks.start[blocks], most)
        said = np.zeros(len(blocks), np.int32)
        explained = np.zeros(len(blocks), np.int32)
        bearing = np.zeros(len(blocks), np.int32)
        for word, code in enumerate(codes.tolist()):
            used = np.flatnonzero(words[:, word])
            if not len(used) or code in (VOID, MIXED, VTABLE):
                continue
            target = state.starting_at(words[used, word])
            bearing[used] += target >= 0
            if code < 0 and code != CODE:
                said[used] += self._of_data(code, words[used, word], target, word >= len(own))
                continue
            signs = self._of_word(NONE if many else number, code, blocks[used], words[used, word], target)
            signs += self._to_own(codes, word, blocks[used], words[used, word], target)
            said[used] += signs
            explained[used] += signs > 0
        return said, 2 * explained >= bearing

    def _of_data(self, code: int, words: Words, target: NDArray[np.int64], beyond: bool) -> Signs:
        """Return what words say where the type has no pointer, or has ended."""
        stray = (target >= 0) | self._state.modules.hold(words)
        if beyond:
            return np.where(stray, _STRAY, _BEYOND).astype(np.int32)
        hard = _STRAY if code in (INTEGER, PLAIN) else -FITS
        return np.where(stray, hard, 0).astype(np.int32)

    def _to_own(
        self, codes: NDArray[np.int32], word: int, blocks: NDArray[np.int32], words: Words, target: NDArray[np.int64]
    ) -> Signs:
        """Return what it says that a pointer leads into its own block, or into one that the word before leads to: a
        queue's tail to its head, the end of data to these."""
        state, size = self._state, self._state.layouts.pointer_size
        start = state.held.blocks.start[blocks]
        signs = np.zeros(len(blocks), np.int32)
        inside = np.flatnonzero((target < 0) & (words > start) & (words < state.held.blocks.end[blocks]))
        if len(inside):
            at = np.minimum((words[inside] - start[inside]).astype(np.int64) // size, len(codes) - 1)
            code = int(codes[word])
            info = state.book.info(code) if code >= 0 else None
            wanted = state.layouts.code_of(code) if info is not None and info.kind is TypeKind.POINTER else None
            if wanted is not None:
                signs[inside] = np.where(codes[at] == wanted, LOOKS, 0)
        return signs

    def _of_word(
        self, number: int, code: int, blocks: NDArray[np.int32], words: Words, target: NDArray[np.int64]
    ) -> Signs:
        state = self._state
        if code == CODE:
            return np.where(state.code.hold(words), LOOKS, _AGAINST).astype(np.int32)
        kind = state.book.info(code).kind
        signs = np.zeros(len(words), np.int32)
        outside = np.flatnonzero(target < 0)
        inside = np.flatnonzero(target >= 0)
        if len(outside):
            signs[outside] = self._of_static(code, kind, words[outside])
        if len(inside):
            signs[inside] = self._of_block(number, code, blocks[inside], target[inside].astype(np.int32))
        return signs

    def _of_static(self, code: int, kind: TypeKind, words: Words) -> Signs:
        """Return what words say that lead to no block's start."""
        state = self._state
        in_module = state.modules.hold(words)
        signs = np.zeros(len(words), np.int32)
        if kind is TypeKind.CHARACTER:
            here = np.flatnonzero(in_module & ~state.code.hold(words))
            signs[here] = np.where(letters_at(state, words[here]) >= _LETTERS, LOOKS, 0)
        elif kind is TypeKind.STRUCT:
            at = np.minimum(np.searchsorted(self._address, words), len(self._address) - 1)
            is_variable = self._address[at] == words
            kin = is_kin(state, self._kinds[at].astype(np.int32), code)
            signs[is_variable] = np.where(kin, KNOWN, _AGAINST)[is_variable]
            signs[self._behind_header(code, words)] = FITS
        signs[state.code.hold(words)] = _AGAINST
        return signs

    def _behind_header(self, code: int, words: Words) -> NDArray[np.bool_]:
        """Return which words lead into a block behind a few words, with just the room left for a struct."""
        state, blocks = self._state, self._state.held.blocks
        block = np.maximum(blocks.starts.before(words).astype(np.int64), 0)
        offset = np.where(words >= blocks.start[block], words - blocks.start[block], 0).astype(np.int64)
        length = np.full(len(words), state.book.info(code).size)
        near = (offset > 0) & (offset <= _LONGEST_HEADER) & (words < blocks.end[block])
        found: NDArray[np.bool_] = near & fits(state.room[block], length + offset, state.layouts.overhead)
        return found

    def _of_block(self, number: int, code: int, blocks: NDArray[np.int32], target: NDArray[np.int32]) -> Signs:
        """Return what words say that lead to the starts of blocks."""
        state = self._state
        kind = state.book.info(code).kind
        known = (state.type[target] >= 0) & state.whole[target] & (state.part[target] == 0)
        signs = np.zeros(len(target), np.int32)
        signs[known] = np.where(is_kin(state, state.type[target], code), KNOWN, _AGAINST)[known]
        rest = np.flatnonzero(~known)
        if not len(rest):
            return signs
        values, which = np.unique(target[rest], return_inverse=True)
        which = which.reshape(-1)
        points = state.degree[values] > 0
        if kind is TypeKind.CHARACTER:
            text = is_text(state, values, 0, _LETTERS)
            looks = np.where(text, LOOKS, np.where(state.pointing[values] & ~is_text(state, values), _AGAINST, 0))
            signs[rest] = looks[which]
        elif kind is TypeKind.POINTER:
            signs[rest] = np.where(self._hold_pointers(values), LOOKS, np.where(points, 0, -LOOKS))[which]
        elif kind is TypeKind.SCALAR:
            signs[rest] = np.where(state.pointing[values], _AGAINST, self._numbers(code, values))[which]
        elif kind is TypeKind.STRUCT:
            signs[rest] = self._of_struct(number, code, blocks[rest], target[rest])
        if kind is not TypeKind.POINTER or signs.any():
            signs[rest] += LOOKS * self._counted(number, code, blocks[rest], target[rest])
        return signs

    def _of_struct(self, number: int, code: int, blocks: NDArray[np.int32], target: NDArray[np.int32]) -> Signs:
        """Return what pointers to a struct say that lead to the starts of blocks without a type."""
        state, layout = self._state, self._state.layouts.of(code)
        length, room = state.book.info(code).size, state.room[target]
        exact = fits(room, length, state.layouts.overhead)
        pair = (blocks.astype(np.int64) << 32) | target
        back = are_among(pair, self._back) & (room >= length)
        misfit = ((room < length) | ((code == number) & ~exact)) & (layout.flexible < 0)
        misfit &= ~self._begins_larger(code, room)
        looks = looks_like(state, code, target.astype(np.int64))
        plain = exact & (state.degree[target] == 0) & self._has_numbers(code, target)
        said = np.where(back | (exact & (code == number)) | (looks > 0) | plain, LOOKS, np.where(exact, FITS, 0))
        return np.where(misfit | (looks < 0), _AGAINST, said).astype(np.int32)

    def _begins_larger(self, code: int, room: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rooms are those of structs that begin with this one."""
        return np.isin(room, self._state.embedded.rooms(code, self._state.layouts.overhead))

    def _has_numbers(self, code: int, target: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which blocks have floating-point numbers in use wherever the struct has some, and not only zeros."""
        state = self._state
        if all(is_bool for _, _, is_bool in leaves(state.book, code)):
            return np.zeros(len(target), np.bool_)
        values, which = np.unique(target, return_inverse=True)
        head = gather_words(state.process.memory, state.layouts.pointer_size, state.held.blocks.start[values])
        good: NDArray[np.bool_] = (implausible(state, code, values) == 0) & (head[:, 0] != 0)
        return good[which.reshape(-1)]

    def _numbers(self, code: int, values: NDArray[np.int32]) -> Signs:
        info = self._state.book.info(code)
        if info.name not in ("float", "double"):
            return np.zeros(len(values), np.int32)
        every, none = numbers_in(self._state, values, info.size)
        return np.where(none, _AGAINST, np.where(every, LOOKS, 0)).astype(np.int32)

    def _hold_pointers(self, values: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which blocks hold nothing but pointers to blocks and zeros, as far as is looked."""
        state, size = self._state, self._state.layouts.pointer_size
        words = gather_words(state.process.memory, size, state.held.blocks.start[values], 4)
        words[np.arange(4)[None, :] * size >= state.room[values][:, None]] = 0
        led = state.starting_at(words.reshape(-1)).reshape(words.shape) >= 0
        found: NDArray[np.bool_] = (led | (words == 0)).all(axis=1) & led.any(axis=1)
        return found

    def _counted(
        self, number: int, code: int, blocks: NDArray[np.int32], target: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        """Return where one of the struct's numbers is that of the elements which the pointer leads to."""
        state = self._state
        info, room = state.book.info(code), state.room[target]
        length = max(info.size, 1)
        found = np.zeros(len(target), np.bool_)
        start = state.held.blocks.start[blocks]
        letters = state.letters[target].astype(np.int64) - 1
        for offset, width in integers_of(state, number) if number != NONE else ():
            count = read_integers(state, start + np.uint64(offset), width)
            for more in (0, 1):
                sound = (count > 1) & (count <= room) & (count * length >= _LEAST)
                bytes_of = np.where(sound, count + more, 0) * length
                found |= sound & (least_room(bytes_of, state.layouts.overhead) == room)
            if info.kind is TypeKind.CHARACTER:
                found |= (count == letters) & (letters >= _LETTERS) & (letters < MOST_LETTERS - 1)
        return found
