"""Nodes in rows, put in order: lists of a million nodes, gone through from thousands of places side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

NONE = -1
# How long a piece is on average.
_LENGTH = 64
# 2**32 divided by the golden ratio: what multiples of it leave over is spread evenly (Knuth, The Art of Computer
# Programming 3, 6.4).
_FIBONACCI = 2654435769


def rows_in_order(one: Nodes, other: Nodes, nodes: Nodes) -> tuple[Nodes, NDArray[np.int64]]:
    """Return the `nodes` row by row, each from one end to the other, and where in that each row begins.

    `one` and `other` are the neighbours of each node of the graph; a row goes on to a neighbour that is one of `nodes`
    (NONE: none). It has two ends: what goes round is left out.
    """
    inside = np.zeros(len(one) + 1, np.bool_)
    inside[nodes] = True
    is_end = ~(inside[one[nodes]] & inside[other[nodes]])
    starts = nodes[is_end | (nodes.astype(np.uint32) * np.uint32(_FIBONACCI) < np.uint32((1 << 32) // _LENGTH))]
    marked = np.zeros(len(one) + 1, np.bool_)
    marked[starts] = True
    pieces = _Pieces(one, other, inside, marked, starts)
    return _joined(pieces, nodes[is_end])


class _Pieces:
    """From every start both ways to the next one: way 2 n goes from start n to its first neighbour, 2 n + 1 to the
    other. `nodes` are those between, way by way in order, from `begin`; `meets` is the start that a way ends at, or
    NONE."""

    def __init__(
        self, one: Nodes, other: Nodes, inside: NDArray[np.bool_], marked: NDArray[np.bool_], starts: Nodes
    ) -> None:
        self.starts = starts
        count = 2 * len(starts)
        before = np.repeat(starts, 2)
        at = np.empty(count, np.int32)
        at[0::2], at[1::2] = one[starts], other[starts]
        way = np.arange(count)
        self.meets = np.full(count, NONE, np.int32)
        ways, steps, found = [way[:0]], [way[:0]], [at[:0]]
        step = 0
        while len(at):
            alive = inside[at]
            way, before, at = way[alive], before[alive], at[alive]
            ends = marked[at]
            self.meets[way[ends]] = at[ends]
            way, before, at = way[~ends], before[~ends], at[~ends]
            ways.append(way)
            steps.append(np.full(len(way), step))
            found.append(at)
            before, at = at, np.where(one[at] == before, other[at], one[at])
            step += 1
        order = np.lexsort((np.concatenate(steps), np.concatenate(ways)))
        self.nodes = np.concatenate(found)[order]
        self.begin = np.searchsorted(np.concatenate(ways)[order], np.arange(count + 1))


def _joined(pieces: _Pieces, ends: Nodes) -> tuple[Nodes, NDArray[np.int64]]:
    """Return the rows from those of their `ends` that come first."""
    place = {node: index for index, node in enumerate(pieces.starts.tolist())}
    meets, begin = pieces.meets.tolist(), pieces.begin.tolist()
    seen: set[int] = set()
    parts, rows, total = [pieces.nodes[:0]], [], 0
    for end in ends.tolist():
        if end in seen:
            continue
        rows.append(total)
        at, way = end, _onward(meets, begin, place[end], NONE)
        while True:
            seen.add(at)
            parts.append(pieces.starts[place[at] : place[at] + 1])
            total += 1
            if way == NONE:
                break
            parts.append(pieces.nodes[begin[way] : begin[way + 1]])
            total += begin[way + 1] - begin[way]
            if meets[way] == NONE:
                break
            came, at = at, meets[way]
            way = _onward(meets, begin, place[at], came)
    return np.concatenate(parts).astype(np.int32), np.array(rows, np.int64)


def _onward(meets: list[int], begin: list[int], start: int, came: int) -> int:
    """Return the way that leads on from a start (the number of one of `starts`) for who comes from another; NONE at the
    end of the row."""
    first, second = 2 * start, 2 * start + 1
    if came != NONE:
        return second if meets[first] == came else first
    if meets[first] != NONE or begin[first] != begin[first + 1]:
        return first
    return second if meets[second] != NONE or begin[second] != begin[second + 1] else NONE
