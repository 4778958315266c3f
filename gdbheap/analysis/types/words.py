"""The words of typed memory that point into blocks: what each is by its type, and what it says of its target."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.types.slots import BYTES, MIXED, PADDING, VOID, Layouts
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import dataclass, fields, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.kernel.kernel import CompiledLoops

    Numbers = NDArray[np.int64]

# So many words are looked at at once: what is made of them on the way is several times as large.
_SLICE = 1 << 18
# A word that is not in the table of slots.
NO_SLOT = -1


@dataclass(frozen=True)
class TypedWords:
    """Words that point to `offset` in block `target`: their `code` (slots.py), their place in the table of all slots
    (`slot`), `many` as there; the block `parent` (-1: a variable) and the address at which each lies; `trust` in what
    it says."""

    target: NDArray[np.int32]
    offset: NDArray[np.uint32]
    code: NDArray[np.int32]
    slot: Numbers
    many: NDArray[np.bool_]
    parent: NDArray[np.int32]
    place: NDArray[np.uint64]
    trust: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.target)

    def at(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> TypedWords:
        """Return the chosen ones (these very words, if all are)."""
        if chosen.dtype == np.bool_:
            if chosen.all():
                return self
            chosen = np.flatnonzero(chosen)  # once, not for every column
        return TypedWords(*(getattr(self, each.name)[chosen] for each in fields(self)))


class Wanted(enum.IntEnum):
    """Which words are asked for, as kernel.c has them."""

    ALL = 0
    LEADING = 1
    """Pointers to something that has a type."""
    VOID = 2
    """Members that may lead to anything."""

    def are(self, words: TypedWords) -> NDArray[np.bool_]:
        """Return which of the words are such."""
        found: NDArray[np.bool_] = np.ones(len(words), np.bool_)
        if self is Wanted.LEADING:
            found = (words.code >= 0) | (words.code == MIXED)
        elif self is Wanted.VOID:
            found = ((words.code == VOID) | (words.code == MIXED)) & (words.slot != NO_SLOT)
        return found


def joined_words(pieces: list[TypedWords]) -> TypedWords:
    """Return all as one; there is at least one piece. The list is empty then, and no two columns are held twice."""
    whole = [each for each in pieces if len(each)] or pieces[:1]
    pieces.clear()
    if len(whole) == 1:
        return whole[0]
    columns = [[getattr(each, field.name) for each in whole] for field in fields(TypedWords)]
    whole.clear()
    return TypedWords(*(_let_go(column) for column in columns))


def _let_go(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    joined: NDArray[Any] = np.concatenate(pieces)
    pieces.clear()
    return joined


def words_of(state: TypingState, edges: Numbers, wanted: Wanted = Wanted.ALL) -> TypedWords:
    """Return what these edges are, all of typed blocks; of these the wanted ones alone."""
    if len(edges) > _SLICE:
        state.layouts.local(state.type[state.graph.source[edges]])  # lays out what is not yet, as for all at once
    pieces = []
    for start in range(0, max(len(edges), 1), _SLICE):
        pieces.append(_words_of(state, np.ascontiguousarray(edges[start : start + _SLICE], np.int64), wanted))
    return joined_words(pieces)


def _words_of(state: TypingState, edges: Numbers, wanted: Wanted) -> TypedWords:
    fast, graph = kernel(), state.graph
    if fast is not None:
        inner = None
        if len(state.inner):
            inner = state.inner.at(state.held.blocks.start[graph.source[edges]] + graph.place[edges].astype(np.uint64))
        columns = _fast_words(state, fast, edges, inner, wanted)
        if columns is None:
            types = state.type[graph.source[edges]]
            state.layouts.local(types if inner is None else np.where(inner[0] >= 0, inner[0], types))
            columns = _fast_words(state, fast, edges, inner, wanted)
        if columns is not None:
            return TypedWords(*columns)
    words = _plain_words(state, edges)
    return words.at(wanted.are(words))


def _fast_words(
    state: TypingState,
    fast: CompiledLoops,
    edges: Numbers,
    inner: tuple[NDArray[np.int32], Numbers] | None,
    wanted: Wanted,
) -> tuple[NDArray[Any], ...] | None:
    """Return the columns by the compiled loop; None where a type is not laid out yet, or a column is not as that takes
    it."""
    graph, blocks, layouts = state.graph, state.held.blocks, state.layouts
    number, *laid_out = layouts.laid_out()
    known: tuple[Any, ...] = (
        *(graph.source, graph.place, graph.target, graph.offset, len(graph.source)),
        *(blocks.start, state.room, state.type, state.part, state.count, state.whole, state.trust, len(state)),
        *(number, len(number), *laid_out, len(laid_out[0]), layouts.table, layouts.many, len(layouts.table)),
        *(layouts.pointer_size, PADDING, BYTES, VOID, MIXED, int(wanted)),
    )
    if not suits(*(each for each in known if not isinstance(each, int))):
        return None
    return fast.typed_words(known, edges, inner)


def _plain_words(state: TypingState, edges: Numbers) -> TypedWords:
    graph, blocks = state.graph, state.held.blocks
    source = graph.source[edges]
    place = graph.place[edges]
    address = blocks.start[source] + place.astype(np.uint64)
    types, inside = state.type[source], place.astype(np.int64) - state.part[source]
    is_array, whole = state.count[source] > 0, state.whole[source]
    if len(state.inner):
        inner, within = state.inner.at(address)
        types, inside = np.where(inner >= 0, inner, types), np.where(inner >= 0, within, inside)
        is_array, whole = is_array & (inner < 0), whole & (inner < 0)
    slot, code = slots_at(state, types, inside, is_array, whole)
    # What malloc gave more than the array's elements need.
    size, room = state.layouts.size[state.layouts.local(types)], state.room[source] - state.part[source]
    behind = is_array & (room >= size) & (inside >= room - room % np.maximum(size, 1))
    slot[behind], code[behind] = NO_SLOT, np.where(whole[behind], PADDING, BYTES)
    many = state.layouts.many[slot] if len(state.layouts.many) else np.zeros(len(slot), np.bool_)
    return TypedWords(
        graph.target[edges],
        graph.offset[edges],
        code,
        slot,
        many & (slot != NO_SLOT),
        source,
        address,
        state.trust[source],
    )


def slots_at(
    state: TypingState,
    types: NDArray[np.int32],
    inside: Numbers,
    is_array: NDArray[np.bool_],
    whole: NDArray[np.bool_],
) -> tuple[Numbers, NDArray[np.int32]]:
    """Return (place in the table, code) of what lies so far `inside` objects of these types; NO_SLOT and PADDING
    behind the end of what is whole, NO_SLOT and BYTES where nothing is known."""
    layouts = state.layouts
    local = layouts.local(types)
    many = np.flatnonzero(is_array & (inside >= 0))
    if len(many):
        inside, size = inside.copy(), layouts.size[local[many]]
        inside[many] = np.where(size > 0, inside[many] % np.maximum(size, 1), inside[many])
    index = inside >> layouts.pointer_size.bit_length() - 1
    # (What lies before an object has the largest indices so.)
    known = index.view(np.uint64) < layouts.words.view(np.uint64)[local]
    slot = layouts.base[local] + index
    slot[~known] = NO_SLOT
    is_flexible = layouts.flexible >= 0
    behind = np.flatnonzero(is_flexible[local]) if is_flexible.any() else many[:0]
    behind = behind[inside[behind] >= layouts.flexible[local[behind]]]
    if len(behind):
        slot[behind] = _in_flexible(layouts, local[behind], inside[behind])
    found = slot != NO_SLOT
    if found.all():
        return slot, layouts.table[slot]
    code = np.full(len(slot), BYTES, np.int32)
    code[found] = layouts.table[slot[found]]
    over = np.flatnonzero(~found & whole & (inside >= 0))
    over = over[inside[over] >= layouts.size[local[over]]]
    code[over] = PADDING
    code[behind[slot[behind] == NO_SLOT]] = BYTES
    return slot, code


def _in_flexible(layouts: Layouts, local: NDArray[np.int32], inside: Numbers) -> Numbers:
    """Return the place in the table of what lies so far inside objects, in the flexible arrays behind them; NO_SLOT
    where nothing is known."""
    stride = np.maximum(layouts.stride[local], 1)
    within = (inside - layouts.flexible[local]) % stride // layouts.pointer_size
    known = within < layouts.flexible_words[local]
    found: Numbers = np.where(known, layouts.flexible_base[local] + within, NO_SLOT)
    return found
