"""Long chains made short: a list of a million nodes, wherever they lie, is gone through from thousands of places at
the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import NONE, Adjacency
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.adjacency import Indices

    Mask = NDArray[np.bool_]
    Nodes = NDArray[np.int32]

# Fewer nodes than this in chains are not worth it.
_FEWEST = 1 << 14
# How long a piece of a chain is on average, and how many steps are made at most: the longest of a million pieces is not
# 20 times as long.
_LENGTH = 64
_MOST_STEPS = 32 * _LENGTH
# 2**32 divided by the golden ratio: what multiples of it leave over is spread evenly (Knuth, The Art of Computer
# Programming 3, 6.4).
_FIBONACCI = 2654435769


def shortened(graph: Adjacency, front: Indices, unseen: Mask) -> tuple[Adjacency, Nodes] | None:
    """Return a graph in which what can be reached from `front` through `unseen` nodes is found in fewer steps, or None
    where it would not be.

    In it pieces of chains are one node each. Also returned is for each node the one that stands for it: the first of
    its piece, or itself. In a chain each node leads to the next alone, and nobody else that is still to be left
    leads there.
    """
    leaving = unseen.copy()
    leaving[front] = True
    left = leaving[graph.source]
    source, target = graph.source[left], graph.target[left]
    is_only = np.diff(graph.begin) == 1
    is_entered_once = (np.bincount(target, minlength=graph.count) == 1) & unseen
    links = is_only[source] & is_entered_once[target] & (source != target)
    if np.count_nonzero(links) < _FEWEST:
        return None
    following = np.full(graph.count, NONE, np.int32)
    following[source[links]] = target[links]
    start, last = _pieces(following, _starts(graph.count, source[links], target[links]))
    # A piece leads to where its last node does.
    stands_for = np.full(graph.count, NONE, np.int32)
    stands_for[last] = start[last]
    source = stands_for[source]
    kept = source != NONE
    return Adjacency.unsorted(graph.count, source[kept], target[kept]), start


def _starts(count: int, source: Nodes, target: Nodes) -> Mask:
    """Return where pieces begin: where chains do, and at some of their other nodes, evenly scattered however the
    nodes are numbered."""
    begins = np.zeros(count, np.bool_)
    begins[source] = True
    scattered: NDArray[np.uint32] = target.astype(np.uint32) * np.uint32(_FIBONACCI)
    begins[target] = scattered < np.uint32((1 << 32) // _LENGTH)
    return begins


def _pieces(following: Nodes, begins: Mask) -> tuple[Nodes, Nodes]:
    """Return for each node the first of its piece (itself where it is in none), and the last nodes of all pieces;
    all pieces are gone through side by side."""
    start = np.arange(len(following), dtype=np.int32)
    first = at = np.flatnonzero(begins).astype(np.int32)
    ends = []
    for _ in range(_MOST_STEPS):
        onward = following[at]
        goes_on = (onward != NONE) & ~begins[onward]
        ends.append(at[~goes_on])
        first, at = first[goes_on], onward[goes_on]
        if not len(at):
            break
        start[at] = first
    # What is in no piece leads on for itself.
    alone = (start == np.arange(len(following), dtype=np.int32)) & ~begins
    ends += [at, np.flatnonzero(alone).astype(np.int32)]
    return start, np.concatenate(ends)
