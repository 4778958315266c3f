"""What pointers to data say of the struct that they may lie in: a block that is just as large as a number beside the
pointer says is what it leads to; one that points on itself is hardly data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.counts import integers_of, read_integers
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.texts import is_text
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Said = tuple[NDArray[np.float64], Numbers, Numbers]

# What counts for a type: such a pointer; and against it: one to characters that leads to what points on.
_COUNTED, _POINTS_ON = 1.0, 1.0
# So many types are held against the numbers in blocks. (A count of fewer bytes is a small number like any other.)
_MOST_TRIED = 16
_LEAST = 32
_LETTERS = 4


def with_counted_data(
    state: TypingState, numbers: Numbers, codes: NDArray[np.int32], edges: Numbers, said: Said
) -> Said:
    """Return what edges say for types (a row of `codes` is what a type has where each edge lies): the sum, how many
    tell, and how many are explained; with that of pointers to data."""
    total, telling, explained = said
    target = state.graph.target[edges]
    local = state.layouts.local(np.maximum(codes, -1))  # lays out what is not yet
    kind = state.layouts.kind[local]
    unknown = (state.type[target] < 0) & (state.graph.offset[edges] == 0)
    letters = (kind == TypeKind.CHARACTER) & (codes >= 0)
    on = unknown & state.pointing[target] & ~_is_text(state, target)
    total = total - _POINTS_ON * (letters & on[None, :]).sum(axis=1)
    quiet = unknown & (state.degree[target] == 0)
    data = (letters | ((kind == TypeKind.SCALAR) & (codes >= 0))) & quiet[None, :]
    if not data.any():
        return total, telling, explained
    telling, explained = telling.copy(), explained.copy()
    rows = np.flatnonzero(data.any(axis=1))
    for row in rows[np.argsort(-total[rows], kind="stable")][:_MOST_TRIED].tolist():
        here = np.flatnonzero(data[row])
        size = np.maximum(state.layouts.size[local[row, here]], 1)
        good = here[_counted(state, int(numbers[row]), edges[here], size)]
        good = good[~_is_text(state, target[good])]
        total[row] += _COUNTED * len(good)
        telling[row] += len(good)
        explained[row] += len(good)
    return total, telling, explained


def _counted(state: TypingState, number: int, edges: Numbers, size: Numbers) -> Mask:
    """Return which of the edges, out of objects of this type, lead to blocks with just the room for so many elements of
    these sizes as a number in the object says."""
    start, room = state.held.blocks.start[state.graph.source[edges]], state.room[state.graph.target[edges]]
    found = np.zeros(len(edges), np.bool_)
    for offset, width in integers_of(state, number):
        count = read_integers(state, start + np.uint64(offset), width)
        sound = (count > 0) & (count * size >= _LEAST) & (count * size <= room)
        found |= sound & (least_room(np.where(sound, count, 0) * size, state.layouts.overhead) == room)
    return found


def _is_text(state: TypingState, target: NDArray[np.int32]) -> Mask:
    # (Few letters may be a small number.)
    found: Mask = is_text(state, target)
    found &= is_text(state, target, 0, _LETTERS) | ~state.pointing[target]
    return found
