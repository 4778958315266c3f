"""Owners: the shortest way to a block from a root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import KERNEL, REGISTER, STACK
from gdbheap.analysis.pointers.who_points import Holder, root_words, telling, words_in_block
from gdbheap.lazy import np
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As many ways of one length are compared.
_MOST_COMPARED = 64
# How soon a root of the kind may be gone: memory that lasts, what the kernel was given, stacks, registers; no root at
# all.
_PASSING = {KERNEL: 1, STACK: 2, REGISTER: 3}
_NO_ROOT = 4


def shortest_path(process: Process, held: PointerGraph, block: int) -> list[Holder]:
    """Return the holders along the shortest way from a root to the block, the root's word first; [] where no way leads
    to it. A way from what lasts (data, a mapping) is preferred to a shorter one from what the kernel was given (for
    epoll), that to one from a stack, and that to one from a register.

    Holder n + 1 lies in the block that holder n points to. Pointers to the inside count as all others.
    """
    chain = _backwards(held, block, _passing(held))
    if not chain:
        return []
    first = min(root_words(held, chain[0]), key=telling)
    steps = [next(words_in_block(process, held, source, target), None) for source, target in zip(chain, chain[1:])]
    return [first, *(step for step in steps if step is not None)]


def _passing(held: PointerGraph) -> NDArray[np.int8]:
    """Return for each block how soon the root that holds it may be gone, by _PASSING; _NO_ROOT where none does."""
    found = np.full(len(held.blocks), _NO_ROOT, np.int8)
    for index, target, _ in held.registers:
        found[target] = min(int(found[target]), _PASSING.get(held.roots.registers[index].kind, 0))
    starts = np.array([each.start for each in held.roots.ranges], np.uint64)
    kinds = np.array([*(_PASSING.get(each.kind, 0) for each in held.roots.ranges), 0], np.int8)
    ranges = np.searchsorted(starts, held.from_roots.place, side="right") - 1
    for passing in (_PASSING[STACK], 0):
        targets = held.from_roots.target[kinds[ranges] == passing]
        found[targets] = np.minimum(found[targets], passing)
    return found


def _backwards(held: PointerGraph, block: int, passing: NDArray[np.int8]) -> list[int]:
    """Return the shortest chain of blocks from one that a root holds to `block`, itself included; [] for none. The root
    that lasts is preferred, of several the most telling."""
    graph = Adjacency.unsorted(len(held.blocks), held.graph.target, held.graph.source)
    begin, source, root = graph.begin.data, graph.target.data, passing.data
    towards = {block: block}
    level = [block]
    first, best = -1, _NO_ROOT
    while level and best:
        soonest = min(root[node] for node in level)
        if soonest < best:
            best = soonest
            goals = [node for node in level if root[node] == best][:_MOST_COMPARED]
            first = min(goals, key=lambda node: min(map(telling, root_words(held, node))))
        following = []
        for node in level:
            for place in range(begin[node], begin[node + 1]):
                if source[place] not in towards:
                    towards[source[place]] = node
                    following.append(source[place])
        level = following
    if first < 0:
        return []
    chain = [first]
    while chain[-1] != block:
        chain.append(towards[chain[-1]])
    return chain
