"""Words of a std::variant: its index says which of its types it holds (libstdc++ and libc++)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.variant_storages import Variant
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


def held_by_variants(
    state: TypingState, words: TypedWords, offset: int, variant: Variant
) -> tuple[list[TypedWords], list[tuple[int, int, TypedWords]]]:
    """Return the words, all at the offset of such structs, as what they are by the structs' indices; and those that lie
    in a union within what is held, with its type, and their offset in that."""
    size, start = state.layouts.pointer_size, words.place - np.uint64(offset)
    index = _numbers(state, start + np.uint64(variant.index), variant.width)
    found, inner = [], []
    for arm, number in enumerate(variant.arms):
        layout, word = state.layouts.of(number), (offset - variant.union) // size
        code = int(layout.codes[word]) if 0 <= word < len(layout.codes) else MIXED
        here = words.at(index == arm)
        if code >= 0 and len(here):
            codes = np.full(len(here), code, np.int32)
            found.append(replace(here, code=codes, many=np.full(len(here), layout.many[word])))
        elif code == MIXED and len(here) and 0 <= word < len(layout.codes):
            inner.append((number, offset - variant.union, here))
    return found, inner


def _numbers(state: TypingState, address: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    size = np.uint64(state.layouts.pointer_size)
    aligned = address - address % size
    places, which = np.unique(aligned, return_inverse=True)
    values: NDArray[np.uint64] = gather_words(state.process.memory, int(size), places)[:, 0][which.reshape(-1)]
    values = values >> (address % size * np.uint64(8))
    return values & np.uint64((1 << (8 * width)) - 1) if width < size else values
