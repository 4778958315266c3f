"""What the bytes of blocks say for a type, and against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.libcxx import is_libcxx_node
from gdbheap.analysis.types.libstdcxx import node_kind
from gdbheap.analysis.types.slots import CODE, INTEGER, MIXED, PLAIN, VOID, VTABLE
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int32]
    Blocks = NDArray[np.int32]

# As many words of a block are looked at, and so many blocks at once.
_MOST_WORDS = 64
_SLICE = 1 << 14
# Of so few blocks words are kept (each of many types is held against the same), of so many sets of them.
_FEW, _MOST_KEPT = 64, 8
# Pointers are no smaller.
_SMALL = 1 << 12
# No number that a void * holds is larger.
_LARGE = 1 << 32
# What a word counts for that points to a block of just the type that it should.
_AGREES = 2


def evidence(
    state: TypingState, number: int, blocks: Blocks, part: int = 0, many: bool = False
) -> tuple[Counts, Counts]:
    """Return for each of the blocks, which ascend, how much speaks for it that at `part` begins an object of the type
    (`many`: several, to the block's end), and how much against it."""
    codes = _codes(state, number, many, int(state.room[blocks].max(initial=0)) - part)
    good, bad = np.zeros(len(blocks), np.int32), np.zeros(len(blocks), np.int32)
    for start in range(0, len(blocks) if len(codes) else 0, _SLICE):
        here = slice(start, start + _SLICE)
        good[here], bad[here] = _judge(state, blocks[here], part, codes)
        good[here] += _of_unions(state, number, blocks[here], part, codes)
    return good, bad


def oddities(state: TypingState, number: int, blocks: Blocks, many: bool = False) -> Counts:
    """Return for each of the blocks, which ascend, how many of its words are strange for an object of the type, if not
    impossible: small numbers or functions where pointers to objects should be, pointers to blocks and functions
    where numbers should."""
    codes = _codes(state, number, many, int(state.room[blocks].max(initial=0)))
    found = np.zeros(len(blocks), np.int32)
    pointers, integers = (codes >= 0) | (codes == CODE) | (codes == VTABLE), codes == INTEGER
    for start in range(0, len(blocks) if len(codes) else 0, _SLICE):
        here = slice(start, start + _SLICE)
        words = first_words(state, blocks[here], 0, len(codes))
        small = (words != 0) & (words < np.uint64(_SMALL)) & pointers
        small |= state.code.hold(words) & ((codes >= 0) | (codes == PLAIN))
        # (In a void * are small numbers, too, and pointers with a mark.)
        small |= (words > np.uint64(_LARGE)) & (codes == VOID) & ~state.mapped.hold(words)
        target, offset = _aimed(state, words[:, integers])
        led = (target >= 0) & (offset == 0)
        found[here] = np.count_nonzero(small, axis=1) + np.count_nonzero(led, axis=1)
    return found


def _codes(state: TypingState, number: int, many: bool, room: int) -> NDArray[np.int32]:
    layout = state.layouts.of(number)
    most = max(min(room // state.layouts.pointer_size, _MOST_WORDS), 0)
    codes = layout.codes
    if many and len(codes) and layout.size % state.layouts.pointer_size == 0:
        codes = np.tile(codes, -(-most // len(codes)))
    return codes[:most]


def _judge(state: TypingState, blocks: Blocks, part: int, codes: NDArray[np.int32]) -> tuple[Counts, Counts]:
    # (Word by word: sums over few words of many blocks cost least so.)
    words = first_words(state, blocks, part, len(codes)).T
    good, bad = np.zeros(len(blocks), np.int32), np.zeros(len(blocks), np.int32)
    for code in distinct(codes).tolist():
        columns = words[codes == code]
        used = columns != 0
        if not used.any():
            continue
        value = np.zeros(columns.shape, np.int32)
        value[used] = _value(state, code, columns[used])
        good += np.maximum(value, 0).sum(axis=0, dtype=np.int32)
        bad -= np.minimum(value, 0).sum(axis=0, dtype=np.int32)
    return good, bad


def _of_unions(state: TypingState, number: int, blocks: Blocks, part: int, codes: NDArray[np.int32]) -> Counts:
    """Return how many of the type's unions hold a pointer that they may hold, to a block that is known to be that.
    (Against it speaks nothing: they may hold something else.)"""
    good = np.zeros(len(blocks), np.int32)
    mixed = np.flatnonzero(codes == MIXED).tolist()
    if not mixed:
        return good
    words = first_words(state, blocks, part, len(codes))
    length = max(len(state.layouts.of(number).codes), 1)
    for at in mixed:
        used = np.flatnonzero(words[:, at])
        kinds = state.layouts.pointers_in_union(number, at % length)
        if len(used) and kinds:
            said = np.stack([_value(state, each, words[used, at]) for each in kinds])
            good[used] += said.max(axis=0) >= _AGREES
    return good


def first_words(state: TypingState, blocks: Blocks, part: int, count: int) -> NDArray[np.uint64]:
    """Return so many words of each block from `part` on, for nobody to change; what lies behind its end is not its own,
    and 0."""
    key = (blocks.tobytes(), part, count) if len(blocks) <= _FEW else None
    if key is not None and key in state.words_of_few:
        return state.words_of_few[key]
    size = state.layouts.pointer_size
    words: NDArray[np.uint64] = gather_words(
        state.process.memory, size, state.held.blocks.start[blocks] + np.uint64(part), count
    )
    room = (state.room[blocks] - part) // size
    words[np.arange(count)[None, :] >= room[:, None]] = 0
    if key is not None:
        if len(state.words_of_few) >= _MOST_KEPT:
            state.words_of_few.clear()
        state.words_of_few[key] = words
    return words


def _value(state: TypingState, code: int, words: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return what these words, none of them 0, say where `code` should be: above 0 for it, below 0 against it."""
    if code == CODE:
        return np.where(state.code.hold(words), 1, -1).astype(np.int32)
    if code == PLAIN:
        target, offset = _aimed(state, words)
        return np.where((target >= 0) & (offset == 0), -1, 0).astype(np.int32)
    if code == VTABLE or code >= 0:
        # (Small numbers, and such below 0, stand for something in many programs. In a void * anything does.)
        marks = (words < np.uint64(_SMALL)) | (words > np.uint64(state.highest - _SMALL))
        value = np.where(state.mapped.hold(words) | marks, 0, -1).astype(np.int32)
        if code >= 0:
            target, offset = _aimed(state, words)
            value[target >= 0] = _agreement(state, code, target[target >= 0], offset[target >= 0])
        return value
    return np.zeros(len(words), np.int32)


def _agreement(
    state: TypingState, code: int, target: NDArray[np.int64], offset: NDArray[np.uint64]
) -> NDArray[np.int32]:
    """Return how well blocks go with pointers to this type: 2 they have it, 1 they are as large, 0 not known."""
    info = state.book.info(code)
    if info.kind not in (TypeKind.STRUCT, TypeKind.UNION):
        return np.zeros(len(target), np.int32)
    known = state.type[target]
    room = state.room[target] - offset.astype(np.int64)
    fitting = (
        (offset == 0) & (known < 0) & are_among(room, np.array(state.embedded.rooms(code, state.layouts.overhead)))
    )
    value = np.where(fitting, 1, 0)
    value[is_kin(state, known, code)] = _AGREES
    # (The first and the last node of the C++ library's lists and trees lead to the container itself.)
    if node_kind(state.book, code) is None and not is_libcxx_node(state.book, code):
        # (Where an array ends many keep a pointer.)
        at_end = (offset > 0) & (offset.astype(np.int64) % max(info.size, 1) == 0)
        value[(room < info.size) & ~at_end] = -1
    return value.astype(np.int32)


def is_kin(state: TypingState, known: NDArray[np.int32], code: int) -> NDArray[np.bool_]:
    """Return which of the types are this one, or begin with it."""
    kin = [each for each in distinct(known).tolist() if each >= 0 and state.embedded.begins_with(each, code)]
    return are_among(known, np.array(kin, known.dtype))


def _aimed(state: TypingState, words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return (block, offset in it) that each word points to; block -1 for none."""
    blocks = state.held.blocks
    if not len(blocks):
        return np.full(len(words), -1, np.int64), words
    target = blocks.starts.before(words).astype(np.int64)
    inside = (target >= 0) & (words < blocks.end[target])
    return np.where(inside, target, -1), np.where(inside, words - blocks.start[target], 0).astype(np.uint64)
