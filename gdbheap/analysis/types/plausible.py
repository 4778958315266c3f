"""Values that members of some types hardly have: a bool of 7, a double of 1e-310 (a small integer, or an address)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import MemberKind, TypeKind
from gdbheap.types.type_book import TypeBook

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.uint64]
    Mask = NDArray[np.bool_]

    # (offset, size, whether it is a bool; else a floating-point number)
    Leaf = tuple[int, int, bool]

# So many members are looked at, structs in structs so deep, so many words of a block that may be numbers.
_MOST_LEAVES, _DEEPEST, _MOST_WORDS = 32, 8, 16
# (bits of the fraction, bits of the exponent, its bias) by size; numbers in use lie within 2 to the power of this.
_SINGLE, _DOUBLE = 4, 8
FLOAT_NAMES = ("float", "double")
FLOATS = {_SINGLE: (23, 8, 127), _DOUBLE: (52, 11, 1023)}
_FAR = 60
# What is smaller is read with what lies around it.
_SMALLEST = _SINGLE
# So many numbers at least, and others than powers of two and their like among them, are no accident.
_FEWEST = 3


def implausible(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return how many members of an object of the type, at the start of each of the blocks, have such values."""
    found = np.zeros(len(blocks), np.int32)
    for width, is_bool, value in _values(state, number, blocks, 0):
        found += value & np.uint64(0xFF) > 1 if is_bool else ~is_float_in_use(value, width)
    return found


def floats_used(state: TypingState, number: int, blocks: NDArray[np.int32], part: int) -> NDArray[np.int32]:
    """Return for objects of the type at `part` of each of the blocks 1 where its floating-point members are such
    numbers, and not all 0: integers are no such by accident, as none of them is so large."""
    used, odd = np.zeros(len(blocks), np.bool_), np.zeros(len(blocks), np.bool_)
    for width, is_bool, value in _values(state, number, blocks, part):
        if not is_bool:
            used |= value != 0
            odd |= ~is_float_in_use(value, width)
    return (used & ~odd).astype(np.int32)


def _values(
    state: TypingState, number: int, blocks: NDArray[np.int32], part: int
) -> Iterator[tuple[int, bool, Numbers]]:
    """Yield (size in bytes, whether it is a bool, what it is in each block) for each member that is one or a number."""
    for offset, width, is_bool in leaves(state.book, number):
        unit, place = max(width, _SMALLEST), offset + part
        # (A double that is not aligned to its size, as some machines have them, counts as 0.)
        word = state.held.blocks.start[blocks] + np.uint64(place - place % _SMALLEST)
        value = gather_words(state.process.memory, unit, word)[:, 0] >> np.uint64(8 * (place % _SMALLEST))
        yield width, is_bool, value


def leaves(book: TypeBook, number: int) -> list[Leaf]:
    """Return the members of a type that are bools and floating-point numbers, those of structs in it, too."""
    found: list[Leaf] = []
    _collect(book, number, 0, 0, found)
    return found


def _collect(book: TypeBook, number: int, offset: int, depth: int, found: list[Leaf]) -> None:
    number = book.stripped(number)
    if number < 0 or depth > _DEEPEST or len(found) >= _MOST_LEAVES:
        return
    info = book.info(number)
    if info.kind is TypeKind.STRUCT:
        for member in info.members:
            if member.kind in (MemberKind.FIELD, MemberKind.BASE):
                _collect(book, member.type, offset + member.offset, depth + 1, found)
    elif info.kind is TypeKind.ARRAY and 0 < info.count <= _MOST_LEAVES:
        length = book.size(info.target)
        for index in range(info.count):
            _collect(book, info.target, offset + index * length, depth + 1, found)
    elif info.name in FLOAT_NAMES and info.size in FLOATS:
        found.append((offset, info.size, False))
    elif info.name in ("_Bool", "bool") and info.size == 1:
        found.append((offset, 1, True))


def is_float_in_use(value: Numbers, width: int) -> Mask:
    """Return which of the values are floating-point numbers as they are in use: 0, or neither huge nor tiny."""
    fraction, bits, bias = FLOATS[width]
    whole = value & np.uint64((1 << (8 * width)) - 1)
    exponent = (whole >> np.uint64(fraction) & np.uint64((1 << bits) - 1)).astype(np.int64)
    found: Mask = (whole & np.uint64((1 << (8 * width - 1)) - 1) == 0) | (np.abs(exponent - bias) <= _FAR)
    return found


def numbers_in(state: TypingState, blocks: NDArray[np.int32], width: int) -> tuple[Mask, Mask]:
    """Return which of the blocks hold nothing but floating-point numbers of the width, as far as is looked, several
    of them; and which hold none: some value that is no number in use."""
    size = state.layouts.pointer_size
    words = gather_words(state.process.memory, size, state.held.blocks.start[blocks], _MOST_WORDS)
    words[np.arange(_MOST_WORDS)[None, :] * size >= state.room[blocks][:, None]] = 0
    octets = np.ascontiguousarray(words.astype(f"u{size}")).view(f"u{width}").astype(np.uint64)
    # (malloc rounds up: what lies behind the end may be anything.)
    last = np.maximum((state.room[blocks] - 2 * size) // width, 1)
    inside = np.arange(octets.shape[1])[None, :] < last[:, None]
    used = inside & (octets != 0)
    fine = is_float_in_use(octets, width)
    none = (used & ~fine).any(axis=1)
    return ~none & (used.sum(axis=1) >= _FEWEST), none
