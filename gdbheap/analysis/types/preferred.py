"""Which of several structs that begin with one header, or have a list's links in them, a block is, where its bytes say
as much for each: what the functions of the table or tree that it hangs on have variables of (a hash table's
comparison), or what leads to it along its own links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.types.functions_beside import types_around
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE
from gdbheap.types.type_names import size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

# So many words are looked at one by one.
_MOST = 1 << 12


def by_functions(state: TypingState, words: TypedWords, kinds: Sequence[int]) -> Numbers:
    """Return for each word the place in `kinds` of the only one that functions beside know, -1 for none."""
    found = np.full(len(words), -1)
    if state.sources.types_in_function is None:
        return found
    known: dict[tuple[int, int], int] = {}
    # (A struct's own functions know it, not the next one; that is alike where a table's functions told the first.)
    holder = np.where(words.parent >= 0, state.type[words.parent], NONE)
    peers = {each for each in distinct(holder).tolist() if each != NONE and _is_peer(state, each, words)}
    alike = np.isin(holder, list(peers))
    chained = alike & state.told_by_functions[words.parent]
    for row, kind in enumerate(kinds):
        found[chained & (holder == kind)] = row
    columns = (words.parent[:_MOST].tolist(), words.place[:_MOST].tolist(), alike[:_MOST].tolist())
    for at, (parent, place, same) in enumerate(zip(*columns)):
        if same:
            continue
        if parent >= 0 and state.count[parent] > 0:
            parent, place = int(state.parent[parent]), int(state.parent_place[parent])
        if (parent, place) not in known:
            both = [row for row, kind in enumerate(kinds) if kind in _around(state, parent, place)]
            known[parent, place] = both[0] if len(both) == 1 else -1
        found[at] = known[parent, place]
    return found


def _is_peer(state: TypingState, kind: int, words: TypedWords) -> bool:
    """Whether what the words (of one type and offset) lead to lies at the same place in objects of a kind."""
    return int(words.code[0]) in state.embedded.at(kind, int(words.offset[0]))


def as_the_holder(state: TypingState, words: TypedWords, kinds: Sequence[int]) -> Numbers:
    """Return for each word the place in `kinds` of its holder's own type, -1 where that is none of them."""
    # (Links at an offset lead to the same place in the next; a header may be that of many kinds.)
    linked = (words.parent >= 0) & (words.offset > 0)
    holder = np.where(linked, state.type[words.parent], NONE)
    found = np.full(len(words), -1)
    for row, kind in enumerate(kinds):
        found[holder == kind] = row
    return found


def _around(state: TypingState, parent: int, place: int) -> frozenset[int]:
    """Return the types that functions know in the struct around the word at an address, in a block or a variable."""
    if parent >= 0:
        number = int(state.type[parent])
        offset = place - int(state.held.blocks.start[parent]) - int(state.part[parent])
        return types_around(state, number, offset, place) if number != NONE and offset >= 0 else frozenset()
    for root in state.roots:
        if root.word is None and 0 <= place - root.address < size_of(state.book.catalogue, root.type):
            return types_around(state, root.type, place - root.address, place)
    return frozenset()
