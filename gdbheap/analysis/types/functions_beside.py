"""What the functions beside a word know: the callbacks in its struct, and those in tables of operations that the struct
points to, have variables of the types that the word leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.tags import tagged_part
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

# So many words of a table of operations, words of a struct, and functions are looked at.
_MOST_OPERATIONS = 16
_MOST_WORDS = 32
_MOST_FUNCTIONS = 256


def types_beside(state: TypingState, row: Sequence[int]) -> frozenset[int]:
    """Return the structs that variables and arguments of functions point to, to which these words of a struct lead."""
    return frozenset().union(*(_known(state, function) for function in _functions(state, row)))


def types_around(state: TypingState, struct: int, offset: int, place: int) -> frozenset[int]:
    """Return the same for the words around the one at address `place`, which lies at the offset in a struct."""
    size = state.layouts.pointer_size
    inner, within = tagged_part(state.book, struct, offset)
    count = min(len(state.layouts.of(inner).codes), _MOST_WORDS)
    if not count or state.sources.types_in_function is None:
        return frozenset()
    row = gather_words(state.process.memory, size, np.array([place - within], np.uint64), count)[0]
    return types_beside(state, row[state.modules.hold(row)].tolist())


def _functions(state: TypingState, row: Sequence[int]) -> tuple[int, ...]:
    """Return the functions that a struct's words lead to, itself or by a table of them."""
    size = state.layouts.pointer_size
    found: dict[int, None] = {}
    for word in filter(None, row):
        if state.code.hold(np.array([word], np.uint64))[0]:
            found[word] = None
        elif word % size == 0:
            count = min(state.variable_sizes.get(word, _MOST_OPERATIONS * size) // size, _MOST_OPERATIONS)
            table = gather_words(state.process.memory, size, np.array([word], np.uint64), count)[0]
            found.update(dict.fromkeys(table[state.code.hold(table)].tolist()))
    return tuple(found)


def _known(state: TypingState, function: int) -> frozenset[int]:
    known, types_in = state.in_function, state.sources.types_in_function
    if function not in known:
        if len(known) >= _MOST_FUNCTIONS or types_in is None:
            return frozenset()
        told = {state.book.stripped(each) for each in types_in(function)}
        known[function] = frozenset(each for each in told if state.book.info(each).kind is TypeKind.STRUCT)
    return known[function]
