"""Owners: who points at a block, and the shortest way to it from a root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.hidden import untagged
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import DATA, KERNEL, MAPPING, REGISTER, STACK
from gdbheap.lazy import dataclass, np
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = "block"
# As many ways of one length are compared.
_MOST_COMPARED = 64
# How soon a root of the kind may be gone: what lasts, stacks, registers; no root at all.
_PASSING = {STACK: 1, REGISTER: 2}
_NO_ROOT = 3
_TELLING = {kind: index for index, kind in enumerate((DATA, MAPPING, KERNEL, STACK, REGISTER))}


@dataclass(frozen=True)
class Holder:
    """A word that points into a block, `offset` bytes from its start.

    `kind` is REGISTER, KERNEL, BLOCK or that of a root range; `place` the word's address (None: a register, or what the
    kernel keeps, which `register` names). `block` is the index of the block that the word lies in (None: in none),
    `thread` the debugger's number of the thread whose register or stack it is.
    """

    kind: str
    place: int | None
    offset: int
    block: int | None = None
    register: str = ""
    thread: int | None = None


def holders_of(process: Process, held: PointerGraph, block: int) -> list[Holder]:
    """Return every word that points into the block: registers, roots in order of address, then blocks."""
    found = [_in_register(held, index, offset) for index, target, offset in held.registers if target == block]
    for row in np.flatnonzero(held.from_roots.target == block).tolist():
        place = int(held.from_roots.place[row])
        found.append(_in_root(held, place, int(held.from_roots.offset[row])))
    for source in np.unique(held.graph.source[held.graph.target == block]).tolist():
        found += _in_block(process, held, source, block)
    return found


def shortest_path(process: Process, held: PointerGraph, block: int) -> list[Holder]:
    """Return the holders along the shortest way from a root to the block, the root's word first; [] where no way leads
    to it. A way from what lasts (data, a mapping) is preferred to a shorter one from a stack, that to one from a
    register.

    Holder n + 1 lies in the block that holder n points to. Pointers to the inside count as all others.
    """
    chain = _backwards(held, block, _passing(held))
    if not chain:
        return []
    first = min(_root_words(held, chain[0]), key=_telling)
    steps = [next(_in_block(process, held, source, target), None) for source, target in zip(chain, chain[1:])]
    return [first, *(step for step in steps if step is not None)]


def _in_register(held: PointerGraph, index: int, offset: int) -> Holder:
    register = held.roots.registers[index]
    return Holder(register.kind, None, offset, register=register.register, thread=register.thread)


def _in_root(held: PointerGraph, place: int, offset: int) -> Holder:
    root = held.roots.find(place)
    return Holder(MAPPING, place, offset) if root is None else Holder(root.kind, place, offset, thread=root.thread)


def _root_words(held: PointerGraph, block: int) -> Iterator[Holder]:
    for index, target, offset in held.registers:
        if target == block:
            yield _in_register(held, index, offset)
    for row in np.flatnonzero(held.from_roots.target == block).tolist():
        yield _in_root(held, int(held.from_roots.place[row]), int(held.from_roots.offset[row]))


def _in_block(process: Process, held: PointerGraph, source: int, target: int) -> Iterator[Holder]:
    """Yield the words of one block that point into another."""
    low, high = int(held.blocks.start[target]), int(held.blocks.end[target])
    start, end = int(held.blocks.start[source]), int(held.blocks.end[source])
    kind = np.dtype(f"u{process.pointer_size}")
    for address, data in readable_pieces(process.memory, start, end):
        words = untagged(np.frombuffer(data, kind, len(data) // process.pointer_size), process.machine)
        for index in np.flatnonzero((words >= kind.type(low)) & (words < kind.type(high))).tolist():
            yield Holder(BLOCK, address + index * process.pointer_size, int(words[index]) - low, source)


def _telling(holder: Holder) -> int:
    """Return less for what tells more: of two roots, a variable's word more than what passes by and may be old."""
    return _TELLING.get(holder.kind, len(_TELLING))


def _passing(held: PointerGraph) -> NDArray[np.int8]:
    """Return for each block how soon the root that holds it may be gone, by _PASSING; _NO_ROOT where none does."""
    found = np.full(len(held.blocks), _NO_ROOT, np.int8)
    for index, target, _ in held.registers:
        found[target] = min(int(found[target]), _PASSING.get(held.roots.registers[index].kind, 0))
    starts = np.array([each.start for each in held.roots.ranges], np.uint64)
    kinds = np.array([*(_PASSING.get(each.kind, 0) for each in held.roots.ranges), 0], np.int8)
    ranges = np.searchsorted(starts, held.from_roots.place, side="right") - 1
    for passing in (1, 0):
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
            first = min(goals, key=lambda node: min(map(_telling, _root_words(held, node))))
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
