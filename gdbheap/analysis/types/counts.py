"""Counts beside pointers: a member of the same struct that says how many objects a pointer leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.slots import is_handle
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many members of a struct are tried.
_MOST_MEMBERS = 32


def counted_beside(state: TypingState, words: TypedWords, most: int, size: int, front: int = 0) -> NDArray[np.int64]:
    """Return how many objects of `size` bytes a number beside each word says there are, where malloc gives just the
    room for so many, behind `front` bytes, that `most` fit into; 0 where none says so."""
    told = np.zeros(len(words), np.int64)
    room = state.room[words.target]
    for slot in distinct(words.slot[words.slot != NO_SLOT]).tolist():
        here = np.flatnonzero(words.slot == slot)
        number, word = state.layouts.owner(slot)
        if number == NONE:
            continue
        begin = words.place[here] - np.uint64(word * state.layouts.pointer_size)
        for offset, width in integers_of(state, number):
            count = read_integers(state, begin + np.uint64(offset), width)
            sound = (count > 0) & (count <= most)
            length = front + np.where(sound, count, 0) * size
            sound &= least_room(length, state.layouts.overhead) == room[here]
            told[here] = np.where((told[here] == 0) & sound, count, told[here])
    return told


def integers_of(state: TypingState, number: int) -> list[tuple[int, int]]:
    """Return (offset, size) of a struct's members that are integers."""
    found = []
    for member in state.book.info(number).members[:_MOST_MEMBERS]:
        kind = state.book.stripped(member.type)
        if kind == NONE or member.kind is not MemberKind.FIELD or is_handle(state.book, member.type):
            continue
        info = state.book.info(kind)
        if info.kind is TypeKind.SCALAR and info.size in (2, 4, 8) and "float" not in info.name:
            found.append((member.offset, info.size))
    return found


def read_integers(state: TypingState, addresses: NDArray[np.uint64], width: int) -> NDArray[np.int64]:
    """Return the numbers of `width` bytes at these addresses, 0 where they cannot be read or are too large."""
    size = np.uint64(state.layouts.pointer_size)
    aligned = addresses - addresses % size
    order = np.argsort(aligned, kind="stable")
    values = np.zeros(len(addresses), np.uint64)
    values[order] = gather_words(state.process.memory, int(size), aligned[order])[:, 0]
    shift = (addresses % size) * np.uint64(8)
    values >>= shift
    if width < size:
        values &= np.uint64((1 << (8 * width)) - 1)
    found: NDArray[np.int64] = np.minimum(values, np.uint64((1 << 31) - 1)).astype(np.int64)
    return found
