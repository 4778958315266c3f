"""From the columns of the passes to the answer: roles, and which pointers mean something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import BlockTypes, Confidence, Role
from gdbheap.analysis.types.doubts import doubt_contents, doubt_pools
from gdbheap.analysis.types.functions import name_closures
from gdbheap.analysis.types.root_words import covering_roots, root_words
from gdbheap.analysis.types.rules import DEAD_RULES
from gdbheap.analysis.types.settled_counts import settle_counts
from gdbheap.analysis.types.slots import MIXED, PADDING, VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.union_words import UnionWords
from gdbheap.analysis.types.words import NO_SLOT, TypedWords, words_of
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, coded, codes_of
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.type_names import element_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

# So many different roles are told.
_MOST_ROLES = 1 << 16


def outcome(state: TypingState, interrupted: bool) -> BlockTypes:
    """Return the answer."""
    graph = state.graph
    typed = np.flatnonzero((state.type >= 0)[graph.source])
    words = words_of(state, typed)
    firm, dead = np.zeros(len(graph.source), np.bool_), np.zeros(len(graph.source), np.bool_)
    firm[typed] = _are_pointers(words) & (words.trust >= Confidence.LIKELY)
    doubt_contents(state)
    doubt_pools(state, words)
    name_closures(state)
    sure = (state.confidence == Confidence.CERTAIN) & state.whole
    dead[typed] = (words.code == PADDING) & sure[words.parent]
    dead &= ~firm
    # (A member's type is one thing, whether the member is in use is another.)
    for rule in DEAD_RULES:
        dead |= rule(state)
    firm &= ~dead
    covering = covering_roots(state, state.roots)
    from_roots = root_words(state, state.roots, covering)
    for held_by in (words, from_roots):
        settle_counts(state, held_by)
    roles = _fill_roles(state, words, from_roots, covering)
    return BlockTypes(
        state.book.catalogue,
        state.held.blocks.start,
        state.type,
        state.count,
        state.part,
        state.confidence,
        state.how,
        state.parent,
        state.parent_place,
        state.role,
        np.full(len(state), -1, np.int32),
        firm,
        dead,
        _firm_roots(state, from_roots),
        roles,
        alternatives={
            block: types
            for block, types in state.alternatives.items()
            if state.confidence[block] == Confidence.POSSIBLE
        },
        named=state.names,
        roots=state.roots,
        inner=state.inner,
        unions=_union_words(state, words, from_roots),
        interrupted=interrupted,
    )


def _are_pointers(words: TypedWords) -> Mask:
    pointers: Mask = (words.code >= 0) | (words.code == VOID) | (words.code == MIXED)
    return pointers


def _firm_roots(state: TypingState, words: TypedWords) -> Mask:
    """Return which of the roots' words are variables' pointers to structs, in blocks that have a type. (A pointer to
    characters, or to anything, stays what it is to Valgrind: it may be a cursor.)"""
    local = state.layouts.local(np.maximum(words.code, -1).astype(np.int32))  # lays out what is not yet
    kind = state.layouts.kind[local]
    is_struct = (words.code >= 0) & ((kind == TypeKind.STRUCT) | (kind == TypeKind.UNION))
    known = (state.type >= 0)[words.target] & (state.confidence[words.target] >= Confidence.LIKELY)
    chosen = is_struct & known & (words.trust >= Confidence.LIKELY)
    firm: Mask = are_among(state.held.from_roots.place, np.sort(words.place[chosen]))
    return firm


def _union_words(state: TypingState, *every: TypedWords) -> UnionWords:
    """Return what unions' pointers lead to, as far as that is known."""
    chosen = [each.at((each.code == MIXED) & (state.type[each.target] >= 0)) for each in every]
    place = np.concatenate([each.place for each in chosen])
    types = np.concatenate([state.type[each.target] for each in chosen])
    order = np.argsort(place, kind="stable")
    return UnionWords(place[order], types[order])


def _fill_roles(
    state: TypingState, words: TypedWords, from_roots: TypedWords, covering: NDArray[np.int64]
) -> tuple[Role, ...]:
    """Set the role of each block that a typed pointer leads to: of several the variable's, or the first."""
    catalogue = state.book.catalogue
    roles: list[Role] = []
    numbered: dict[str, int] = {}
    # Of elements of one array one is asked for its name: an array of pointers makes as many as it has elements.
    known: dict[tuple[str, int, int, int], int] = {}
    sizes: dict[int, int] = {}
    for each in (from_roots, words):
        each = each.at(_are_pointers(each) & (state.role[each.target] < 0) & (each.parent != each.target))
        if not len(each):
            continue
        is_variable = each.parent < 0
        key = np.where(is_variable, -1 - each.place.astype(np.int64), each.slot)
        if (each.code == MIXED).any():
            key = codes_of(key, np.where(each.code == MIXED, state.type[each.target], NONE))
        values, first, which = coded(key)
        numbers = np.full(len(values), -1, np.int32)
        for index, at in enumerate(first.tolist()[: _MOST_ROLES - len(roles)]):
            role = _role(state, each, at, covering)
            if role.type not in sizes:
                sizes[role.type] = element_size(catalogue, role.type)
            size = sizes[role.type]
            alike = role.name, role.type, role.offset % size if size else role.offset, role.wanted
            if alike not in known:
                known[alike] = numbered.setdefault(role.text(catalogue), len(roles))
                if known[alike] == len(roles):
                    roles.append(role)
            numbers[index] = known[alike]
        state.role[each.target[::-1]] = numbers[which][::-1]
    return tuple(roles)


def _role(state: TypingState, words: TypedWords, at: int, covering: NDArray[np.int64]) -> Role:
    parent, slot = int(words.parent[at]), int(words.slot[at])
    wanted = int(state.type[words.target[at]]) if words.code[at] == MIXED else NONE
    if parent < 0:
        word = int(np.searchsorted(state.held.from_roots.place, words.place[at]))
        root = state.roots[int(covering[word])]
        return Role(root.type, int(words.place[at]) - root.address, root.in_any_thread, wanted)
    if slot == NO_SLOT:
        return Role(int(state.type[parent]), 0)
    number, word = state.layouts.owner(slot)
    return Role(number, word * state.layouts.pointer_size, wanted=wanted)
