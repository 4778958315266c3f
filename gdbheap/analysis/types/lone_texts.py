"""Text that no typed pointer leads to: what malloc gave just so much room for."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.texts import MOST_LETTERS, is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, TypeKind

# Shorter text may be a number, or a struct's first member; longer blocks are not read.
_SHORTEST = 9
_LONGEST = 1 << 12
_MOST = 1 << 16


def lone_texts(state: TypingState) -> Claims:
    """Return claims of the blocks without a type that hold a text to their end, as far as malloc's rounding goes."""
    number = state.book.named("char")
    if number == NONE or state.book.info(number).kind is not TypeKind.CHARACTER:
        return joined([])
    blocks = np.flatnonzero((state.type < 0) & ~state.pointing & (state.room <= _LONGEST))[:_MOST].astype(np.int32)
    blocks = blocks[is_text(state, blocks, 0, _SHORTEST)]
    length = np.array([_length(state, each) for each in blocks.tolist()], np.int64)
    exact = (length >= _SHORTEST) & (least_room(length + 1, state.layouts.overhead) == state.room[blocks])
    blocks = blocks[exact]
    return claims(blocks, number, How.CONTENTS, Confidence.LIKELY, count=state.room[blocks].astype(np.int32))


def _length(state: TypingState, block: int) -> int:
    """Return how many bytes of text the block holds, up to a zero; 0 where it is no text."""
    start, room = int(state.held.blocks.start[block]), int(state.room[block])
    if int(state.letters[block]) <= MOST_LETTERS - 1:
        return int(state.letters[block]) - 1
    try:
        data = state.process.memory.read(start, room)
    except MemoryFault:
        return 0
    text, zero, _ = data.partition(b"\0")
    try:
        plain = text.decode()
    except UnicodeDecodeError:
        return 0
    return len(text) if zero and all(letter.isprintable() or letter.isspace() for letter in plain) else 0
