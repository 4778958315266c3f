"""What blocks look like a few steps deep, without any types: their size, which words lead into modules, and the same of
what they point to, mixed to one number. Lost blocks that look so like named ones are of their type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.shapes import FAR, MIX, static_shapes
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.kernel.arrays import suits
from gdbheap.kernel.kernel import kernel
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, codes_of, distinct, firsts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Shapes = NDArray[np.uint64]

# So many steps along pointers are looked at.
_STEPS = 2
# What looks alike has so many pointers in all; or so many of it are named, and a few pointers.
_POINTERS, _OFTEN, _FEW = 3, 8, 2
_TEXT = 0x2545F4914F6CDD1D


def deep_shapes(state: TypingState) -> tuple[Shapes, NDArray[np.int64]]:
    """Return for each block what it looks like, and how many pointers that rests on; those to texts, which look all
    alike, however long they are, count twice."""
    graph = state.graph
    offset = np.minimum(graph.offset, FAR).astype(np.uint64)
    place = (graph.place.astype(np.uint64) * np.uint64(MIX)) ^ (offset * np.uint64(0x8EBC6AF09C88C6E3))
    own = static_shapes(state) + state.room.astype(np.uint64) * np.uint64(MIX)
    led_to = np.zeros(len(state), np.bool_)
    led_to[graph.target] = True
    leaves = np.flatnonzero(led_to & (state.degree == 0)).astype(np.int32)
    texts = leaves[is_text(state, leaves)]
    own[texts] = _TEXT
    found, pointers = own, state.degree.copy()
    more = state.degree.astype(np.uint64)
    more[texts] = 1
    for _ in range(_STEPS):
        found = own + _of_targets(state, place, found)
    pointers += _sums(state, more[graph.target]).astype(np.int64)
    return found, pointers


def _of_targets(state: TypingState, place: Shapes, shape: Shapes) -> Shapes:
    """Return for each block the sum of what its edges' places and the shapes of what they lead to are mixed to."""
    fast, target = kernel(), state.graph.target
    if fast is not None and suits(state.begin, place, target, shape):
        return fast.mixed_sums(state.begin, place, target, shape)
    return _sums(state, _mixed(place ^ _mixed(shape[target])))


def _sums(state: TypingState, values: Shapes) -> Shapes:
    """Return the sum of the edges' values for each block."""
    total = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=total[1:])
    found: Shapes = total[state.begin[1:]] - total[state.begin[:-1]]
    return found


def _mixed(values: Shapes) -> Shapes:
    found: Shapes = (values ^ (values >> np.uint64(29))) * np.uint64(0xA0761D6478BD642F)
    found ^= found >> np.uint64(32)
    return found


def named_deep_shapes(
    state: TypingState, named: NDArray[np.intp], shape: Shapes, pointers: NDArray[np.int64]
) -> dict[int, int]:
    """Return the type of each shape that all of these named blocks which have it agree on, and no other typed block
    speaks against; `shape` and `pointers` are those of all blocks."""
    if not len(named):
        return {}
    here = shape[named]
    typed = np.flatnonzero((state.type >= 0) & (state.degree > 0))
    which = codes_of(shape[typed])
    first = firsts_of(which)
    low, high = np.full(len(first), np.iinfo(np.int32).max), np.full(len(first), -1)
    kind = np.where(state.count[typed] > 0, np.int32(-1), state.type[typed])
    np.minimum.at(low, which, kind)
    np.maximum.at(high, which, kind)
    one = dict(zip(shape[typed[first]][low == high].tolist(), low[low == high].tolist()))
    values, count = np.unique(here, return_counts=True)
    rests_on = dict(zip(here.tolist(), pointers[named].tolist()))
    return {
        value: one[value]
        for value, often in zip(values.tolist(), count.tolist())
        if value in one and rests_on[value] >= (_FEW if often >= _OFTEN else _POINTERS)
    }


def groups_of(shape: Shapes, deep: Shapes, known: dict[int, int], most: int) -> list[NDArray[np.intp]]:
    """Return the rows of blocks that look alike, group by group, the largest `most` first; a group is taken apart by
    the types of those that look like some deep down."""
    _, which, count = np.unique(shape, return_inverse=True, return_counts=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    begin = np.concatenate(([0], np.cumsum(count)))
    values = np.array(sorted(known), np.uint64)
    types = np.full(len(deep), -1, np.int64)
    alike = np.flatnonzero(are_among(deep, values))
    types[alike] = np.array([known[each] for each in values.tolist()], np.int64)[np.searchsorted(values, deep[alike])]
    found = []
    for group in np.argsort(-count, kind="stable")[:most].tolist():
        rows = order[begin[group] : begin[group + 1]]
        kinds = types[rows]
        found += [rows[kinds == kind] for kind in distinct(kinds).tolist()]
    return found
