"""What blocks say themselves: the vtable pointers of C++ objects, wherever in a block they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.objects.cxx_classes import CxxClasses, VTable
from gdbheap.analysis.types.behind import Behind
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims
from gdbheap.analysis.types.class_names import ClassNames
from gdbheap.analysis.types.classes_behind import behind_others, elsewhere
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.static_words import data_of_modules, words_into
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.virtual_bases import complete
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import coded, rows_of_each
from gdbheap.process.columns.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.int64]

# So many different vtables are asked about, the most frequent first.
_MOST = 1 << 14


def vtable_claims(state: TypingState) -> Iterator[Claims]:
    """Yield claims of the blocks that are one object with a vtable, or an array of such behind their number, as new[]
    writes it."""
    if state.lookup is None:
        return
    block, place, word = words_into(state, data_of_modules(state))
    classes, names = CxxClasses(state.lookup), ClassNames(state.book)
    values, _, which = coded(word)
    order, ends = rows_of_each(which, len(values))
    counts = np.diff(ends, prepend=0)
    others: list[Behind] = []
    in_front = np.zeros(len(state), np.bool_)
    for index in np.argsort(-counts, kind="stable")[:_MOST].tolist():
        address = int(values[index])
        vtable = classes.vtable(address)
        types = names.find(vtable.name) if vtable is not None else ()
        if vtable is None:
            continue
        rows = order[int(ends[index]) - int(counts[index]) : int(ends[index])]
        start = place[rows] - vtable.offset
        in_front[block[rows[start == 0]]] = True
        others.append(elsewhere(types, block[rows], start))
        if types:
            yield from _of_class(state, vtable, types, block[rows], start)
    state.behind = behind_others(state, others, in_front)


def _of_class(
    state: TypingState, vtable: VTable, types: tuple[int, ...], block: Column, start: Column
) -> Iterator[Claims]:
    """Yield claims of the blocks in which objects of one class begin at these places."""
    size = state.layouts.pointer_size
    for number in types:
        length = state.book.info(number).size
        alone = (start == 0) & fits(state.room[block], length, state.layouts.overhead)
        if alone.any():
            found = complete(state, number, int(state.held.blocks.start[block[alone][0]]))
            yield claims(block[alone], found, How.VTABLE, Confidence.CERTAIN)
        first = np.flatnonzero((start == size) & ~alone)
        if len(first):
            blocks = block[first]
            number_of = gather_words(state.process.memory, size, state.held.blocks.start[blocks])[:, 0]
            count = np.minimum(number_of, np.uint64(1 << 31)).astype(np.int64)
            counted = (count > 0) & fits(state.room[blocks], size + count * length, state.layouts.overhead)
            if counted.any():
                found = complete(state, number, int(state.held.blocks.start[blocks[counted][0]]) + size)
                yield claims(
                    blocks[counted],
                    found,
                    How.VTABLE,
                    Confidence.CERTAIN,
                    count=count[counted].astype(np.int32),
                    part=size,
                )
