"""Who points to whom, collapsed: the holders that retain most, and the blocks by what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A holder of less than this part of all is told with others.
_LEAST = 0.005
HOLDER, BLOCKS, OTHER_HOLDERS, OTHER_BLOCKS = "holder", "blocks", "other_holders", "other_blocks"


@dataclass(frozen=True)
class CollapsedNode:
    """`kind` is one of the names above. `example` is a node of the tree: the holder, or the largest block of its kind
    (-1: of what is left together). `bytes` is what a holder retains, and what blocks take; `blocks` likewise."""

    kind: str
    example: int
    bytes: int
    blocks: int


@dataclass(frozen=True)
class CollapsedGraph:
    """`edges` are (from, to, pointers), indices in `nodes`; one from a node to itself are pointers among its
    blocks."""

    nodes: tuple[CollapsedNode, ...]
    edges: tuple[tuple[int, int, int], ...]


def collapse(
    found: Retained, code: NDArray[np.int64], is_container: NDArray[np.bool_], most_holders: int, most_kinds: int
) -> CollapsedGraph:
    """Return the graph of the blocks that are held, by `code` (the same for blocks called alike): so many holders and
    so many kinds, those that retain most, have a node of their own. Blocks that are of a container (a map's nodes, a
    vector's buffer) are their owner's."""
    blocks, holders, root = found.blocks, found.holders, found.root
    owner = _owners(found, is_container)
    code = code[np.where(owner < blocks, owner, 0)]
    reached = (found.tree.count[:blocks] > 0) & (owner < blocks)
    label = np.full(root + 1, -1, np.int64)
    nodes: list[CollapsedNode] = []
    sizes = found.held.blocks.size.astype(np.int64)

    def add(kind: str, members: NDArray[np.int64], example: int) -> None:
        label[members] = len(nodes)
        if kind in (HOLDER, OTHER_HOLDERS):
            size, count = int(found.bytes[members].sum()), int(found.count[members].sum())
        else:
            size, count = int(sizes[members].sum()), len(distinct(owner[members]))
        nodes.append(CollapsedNode(kind, example, size, count))

    groups = blocks + np.argsort(-found.bytes[blocks:holders], kind="stable")
    least = _LEAST * int(found.bytes[root])
    large = [node for node in groups[:most_holders].tolist() if found.bytes[node] >= least]
    for node in large:
        add(HOLDER, np.array([node]), node)
    if len(groups) > len(large):
        add(OTHER_HOLDERS, groups[len(large) :], -1)
    order = _by_weight(found, code, reached)
    for kind in order[:most_kinds].tolist():
        members = np.flatnonzero((code == kind) & reached)
        own = members[owner[members] == members]
        add(BLOCKS, members, int((own if len(own) else members)[0]))
    rest = np.flatnonzero(np.isin(code, order[most_kinds:]) & reached)
    if len(rest):
        add(OTHER_BLOCKS, rest, -1)
    # What lies in a variable's own containers, and a part, are their owner's.
    inside = np.flatnonzero((owner >= blocks) & (owner < root))
    label[inside] = label[owner[inside]]
    label[holders:root] = label[found.parts.owner]
    return CollapsedGraph(tuple(nodes), tuple(_edges(found, label, owner, len(nodes))))


def _owners(found: Retained, is_container: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return who owns each block: itself, or of what is in a container the nearest block or holder above it that is
    not; itself too where that is several holders."""
    up = np.arange(found.root + 1, dtype=np.int64)
    inside = np.flatnonzero(is_container & (found.tree.count[: found.blocks] > 0))
    up[inside] = found.tree.parent[inside]
    parts = np.arange(found.holders, found.root)
    up[parts] = found.parts.owner
    while not np.array_equal(further := up[up], up):
        up = further
    owner = up[: found.blocks]
    return np.where(owner == found.root, np.arange(found.blocks), owner)


def _by_weight(found: Retained, code: NDArray[np.int64], reached: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the kinds of the blocks, those that retain most first: the most that any one block does, and what all take
    themselves."""
    chosen = np.flatnonzero(reached)
    kinds, place = np.unique(code[chosen], return_inverse=True)
    largest, own = np.zeros(len(kinds), np.int64), np.zeros(len(kinds), np.int64)
    np.maximum.at(largest, place, found.bytes[chosen])
    np.add.at(own, place, found.held.blocks.size[chosen].astype(np.int64))
    order: NDArray[np.int64] = kinds[np.argsort(-np.maximum(largest, own), kind="stable")]
    return order


def _edges(
    found: Retained, label: NDArray[np.int64], owner: NDArray[np.int64], count: int
) -> list[tuple[int, int, int]]:
    """Return (from, to, pointers) of the labels. Pointers within one owner and its containers are none."""
    to_block = np.flatnonzero(found.target < found.blocks)
    source, target = found.source[to_block], found.target[to_block]
    whose = np.concatenate((owner, np.arange(found.blocks, found.holders), found.parts.owner, [found.root]))
    apart = whose[source] != whose[target]
    source, target = label[source[apart]], label[target[apart]]
    known = (source >= 0) & (target >= 0)
    pairs, pointers = np.unique(source[known] * count + target[known], return_counts=True)
    return [(pair // count, pair % count, number) for pair, number in zip(pairs.tolist(), pointers.tolist())]
