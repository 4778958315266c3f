"""What lies in the unused room of libstdc++'s containers holds nothing: the rest of a std::string's own buffer, and
what a std::vector has room for behind its last element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence
from gdbheap.analysis.types.containers import ContainerKind, Containers, Objects, find_containers
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Words = NDArray[np.uint64]


_KINDS = frozenset((ContainerKind.STRING, ContainerKind.VECTOR))


def unused_room(state: TypingState) -> Mask:
    """A DeadRule: which edges lie there."""
    graph, blocks = state.graph, state.held.blocks
    address = blocks.start[graph.source] + graph.place.astype(np.uint64)
    dead = np.zeros(len(address), np.bool_)
    sure = (state.confidence == Confidence.CERTAIN) & state.whole
    types = np.where(sure, state.type, np.int32(-1))
    objects = Objects(blocks.start, types, state.part, state.count)
    for each in find_containers(state.process.memory, state.book, objects, state.roots, _KINDS):
        if each.kind is ContainerKind.STRING:
            _mark(dead, address, *_behind_text(each, state.layouts.pointer_size))
        elif each.kind is ContainerKind.VECTOR:
            _mark(dead, address, *_behind_last(each, state))
    return dead


def _behind_text(strings: Containers, size: int) -> tuple[Words, Words]:
    """Return [start, end) of the buffers of strings as far as they are not used."""
    buffer = strings.first + np.uint64(2 * size)
    length = strings.words[:, 1]
    local = strings.words[:, 0] == buffer
    used = np.where(
        local & (length < np.uint64(16)), length + np.uint64(1), np.where(local, np.uint64(16), np.uint64(0))
    )
    return buffer + used, buffer + np.uint64(16)


def _behind_last(vectors: Containers, state: TypingState) -> tuple[Words, Words]:
    """Return [start, end) of the room of vectors behind their last element, where a block is all theirs."""
    begin, finish, end = (vectors.words[:, each] for each in range(3))
    start = state.held.blocks.start
    if not len(start):
        return begin[:0], begin[:0]
    block = np.minimum(np.searchsorted(start, begin), len(start) - 1)
    whole = (start[block] == begin) & (begin <= finish) & (finish <= end) & (end <= state.held.blocks.end[block])
    return finish[whole], end[whole]


def _mark(dead: Mask, address: Words, start: Words, end: Words) -> None:
    """Mark the addresses (ascending) that lie wholly in one of the ranges."""
    first, last = np.searchsorted(address, start), np.searchsorted(address, end)
    step = np.zeros(len(address) + 1, np.int64)
    np.add.at(step, first, 1)
    np.add.at(step, np.maximum(first, last), -1)
    dead |= np.cumsum(step[:-1]) > 0
