"""What is retained, by what the blocks are; and where it gathers: the block (or holder) under which much hangs, held
by nothing further down alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A node below that retains so much of what the one above does leads on to where it gathers.
_NEARLY_ALL = 0.6
_MOST_STEPS = 64


@dataclass(frozen=True)
class RetainedKind:
    """The blocks of one kind: how many, their own bytes, and what the topmost of them retain together; `example` is
    the one that retains most."""

    kind: int
    count: int
    bytes: int
    retained: int
    example: int


@dataclass(frozen=True)
class Gathering:
    """`path` leads from a node down to where its memory gathers (the last). Right below that are `children` blocks;
    `is_list`: those of one kind go on one below the other."""

    path: tuple[int, ...]
    children: int
    is_list: bool


def by_kind(
    retained: Retained, kind: NDArray[np.int64], within: Sequence[int] | None = None, itself: bool = True
) -> list[RetainedKind]:
    """Return a row for each kind (a number for each block) among the blocks that are held, below the nodes `within` if
    given (they `itself` too, or not): what retains most first."""
    tree = retained.tree
    blocks = np.flatnonzero(tree.count[: retained.blocks])
    if within is not None:
        first = tree.position[within] + (not itself)
        end = tree.position[within] + tree.count[within]
        begun, ended = (np.bincount(each, minlength=len(tree.parent) + 1) for each in (first, end))
        blocks = blocks[np.cumsum(begun - ended)[tree.position[blocks]] > 0]
    if not len(blocks):
        return []
    kinds, rank = np.unique(kind[blocks], return_inverse=True)
    order = np.lexsort((tree.position[blocks], rank))
    blocks, rank = blocks[order], rank[order]
    # In a preorder, what lies below another of its kind begins before that one ends.
    base = rank.astype(np.int64) * (len(tree.parent) + 1)
    ends = np.maximum.accumulate(base + tree.position[blocks] + tree.count[blocks])
    is_top = np.ones(len(blocks), np.bool_)
    is_top[1:] = base[1:] + tree.position[blocks[1:]] >= ends[:-1]
    begin = np.flatnonzero(np.diff(rank, prepend=-1))
    counts = np.diff(np.append(begin, len(blocks)))
    own = np.add.reduceat(retained.held.blocks.size[blocks].astype(np.int64), begin)
    top = np.add.reduceat(np.where(is_top, retained.bytes[blocks], 0), begin)
    largest = blocks[np.lexsort((-retained.bytes[blocks], rank))][begin]
    rows = [
        RetainedKind(*cells)
        for cells in zip(*(each.tolist() for each in (kinds, counts, own, top, largest.astype(np.int64))))
    ]
    return sorted(rows, key=lambda row: (-row.retained, -row.bytes, row.kind))


def gathering(retained: Retained, kind: NDArray[np.int64], node: int) -> Gathering:
    """Return where what the node retains gathers."""
    path = [node]
    for _ in range(_MOST_STEPS):
        below = retained.children(path[-1])
        if not len(below) or retained.bytes[below[0]] < _NEARLY_ALL * retained.bytes[path[-1]]:
            return Gathering(tuple(path), len(below), False)
        following = int(below[0])
        if max(path[-1], following) < retained.blocks and kind[following] == kind[path[-1]]:
            return Gathering(tuple(path), len(below), True)
        path.append(following)
    return Gathering(tuple(path), len(retained.children(path[-1])), False)
