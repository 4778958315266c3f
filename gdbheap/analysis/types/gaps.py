"""The bytes of a struct that belong to no member: compilers leave them to align what follows. Who makes objects with
calloc() has zeros there, and hardly ever the same other bytes in many objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Octets = NDArray[np.bool_]

# So many bytes of a struct are looked at, structs in structs so deep, and so many elements of an array.
_MOST_BYTES = 256
_DEEPEST = 8
_MOST_ELEMENTS = 64


def gaps_are_used(state: TypingState, number: int, blocks: NDArray[np.int32]) -> bool:
    """Whether each of the blocks, which ascend, has something in the gaps of an object of the type."""
    length = min(state.book.info(number).size, _MOST_BYTES)
    size = state.layouts.pointer_size
    covered = np.zeros(-(-length // size) * size, np.bool_)
    covered[length:] = True
    _cover(state.book, number, 0, covered, 0)
    if covered.all() or not len(blocks):
        return False
    words = gather_words(state.process.memory, size, state.held.blocks.start[blocks], len(covered) // size)
    octets = np.ascontiguousarray(words.astype(np.dtype(f"u{size}"))).view(np.uint8).reshape(len(blocks), -1)
    return bool((octets[:, ~covered] != 0).any(axis=1).all())


def _cover(book: TypeBook, number: int, offset: int, covered: Octets, depth: int) -> None:
    """Mark the bytes that members have. (Of bit fields the rest of a byte counts as theirs.)"""
    number = book.stripped(number)
    info = book.info(number) if number != NONE else None
    if info is None or offset >= len(covered):
        return
    if info.kind is TypeKind.ARRAY and depth < _DEEPEST:
        size = book.size(info.target)
        for index in range(min(max(info.count, 0), _MOST_ELEMENTS) if size else 0):
            _cover(book, info.target, offset + index * size, covered, depth + 1)
    elif info.kind in (TypeKind.STRUCT, TypeKind.UNION) and info.members and depth < _DEEPEST:
        for member in info.members:
            if member.kind is MemberKind.BIT_FIELD:
                covered[offset + member.offset : offset + member.offset + book.size(member.type)] = True
            elif member.kind is MemberKind.VTABLE:
                covered[offset + member.offset : offset + member.offset + book.pointer_size] = True
            else:
                _cover(book, member.type, offset + member.offset, covered, depth + 1)
    else:
        covered[offset : offset + max(info.size, 1)] = True
