"""The nearest common ancestors of many pairs of nodes of a tree at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.int32]

# Positions are looked at by pieces of so many.
_PIECE = 32


class CommonAncestors:
    """Nodes are named by their positions in a preorder of the tree; `parent[position]` is the parent's (0: the root).

    Of two nodes, the nearest common ancestor is the leftmost parent that a node behind the first, up to the second,
    has: whoever leaves a subtree comes to a node whose parent stands before that subtree.
    """

    def __init__(self, parent: Places) -> None:
        self._parent = parent
        pieces = -(-len(parent) // _PIECE)
        padded = np.full(pieces * _PIECE, np.iinfo(np.int32).max, np.int32)
        padded[: len(parent)] = parent
        by_piece = padded.reshape(pieces, _PIECE)
        # The least from each place to the end of its piece, and from the beginning of its piece to it.
        self._onward = np.minimum.accumulate(by_piece[:, ::-1], axis=1)[:, ::-1].reshape(-1)
        self._before = np.minimum.accumulate(by_piece, axis=1).reshape(-1)
        self._padded = padded
        # The least of 1, 2, 4, 8, ... pieces from each one on.
        self._levels = [by_piece.min(axis=1)]
        while 2 << (len(self._levels) - 1) <= pieces:
            last, step = self._levels[-1], 1 << (len(self._levels) - 1)
            self._levels.append(np.minimum(last[:-step], last[step:]))

    def find(self, one: Places, other: Places) -> Places:
        """Return the nearest common ancestor of each pair; a node is its own ancestor."""
        low, high = np.minimum(one, other), np.maximum(one, other)
        found: Places = low.copy()
        apart = np.flatnonzero(low != high)
        first, last = low[apart] + 1, high[apart]
        near = first // _PIECE == last // _PIECE
        found[apart[near]] = self._within_piece(first[near], last[near])
        found[apart[~near]] = self._across(first[~near], last[~near])
        return found

    def _within_piece(self, first: Places, last: Places) -> Places:
        least: Places = self._padded[last]
        for step in range(_PIECE - 1):
            at = first + np.int32(step)
            if not (at < last).any():
                break
            np.minimum(least, self._padded[np.minimum(at, last)], out=least)
        return least

    def _across(self, first: Places, last: Places) -> Places:
        least: Places = np.minimum(self._onward[first], self._before[last])
        begin, end = first // _PIECE + 1, last // _PIECE
        count = end - begin
        for level, table in enumerate(self._levels):
            here = np.flatnonzero(count >> level == 1)
            if len(here):
                pieces = np.minimum(table[begin[here]], table[end[here] - (1 << level)])
                least[here] = np.minimum(least[here], pieces)
        return least
