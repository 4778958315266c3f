"""Narrow fronts: a list of a million nodes has one block in its front, a million times. A member that points to its
own struct is followed through all of the heap at once; other narrow fronts go block by block, in a plain loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.fits import fits, least_room
from gdbheap.analysis.types.slots import MIXED
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.walk import walk
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]

# So many types of a front, and so many members of each, are followed; fewer nodes than this are not worth it.
_MOST_TYPES, _MOST_MEMBERS = 4, 4
_FEWEST = 256
# So many blocks are gone through in one plain loop.
_MOST_BLOCKS = 1 << 14


# Whether a struct that begins with this type may have just so much room.
HasLarger = Callable[[int, int], bool]


def lists_from(state: TypingState, front: Blocks, tried: set[int], has_larger: HasLarger) -> Claims:
    """Return claims of the nodes of long lists that begin in this front, but for lists of the types that were `tried`
    in vain, which are added to."""
    chosen = front[(state.count[front] == 0) & state.whole[front]]
    found = []
    for number in distinct(state.type[chosen]).tolist()[:_MOST_TYPES]:
        if number in tried:
            continue
        starts = chosen[state.type[chosen] == number]
        part = int(state.part[starts[0]])
        room = int(state.room[starts[0]])
        if state.learned.get((number, 0, room), (number, 0))[0] != number or (
            (number, 0, room) not in state.learned and has_larger(number, room)
        ):
            continue
        lists = [_list_along(state, starts, number, part + place, offset) for place, offset in _links(state, number)]
        if not any(len(each) for each in lists):
            tried.add(number)
        found += lists
    return joined(found)


def _links(state: TypingState, number: int) -> list[tuple[int, int]]:
    """Return (offset of the member, offset that it leads to) of a struct's members that point to structs of its own
    type, or to what is known to be a part of them."""
    codes, size = state.layouts.of(number).codes, state.layouts.pointer_size
    parts = {code: offset for (code, offset, _), (whole, _) in state.learned.items() if whole == number}
    parts[number] = 0
    return [(word * size, parts[code]) for word, code in enumerate(codes.tolist()) if code in parts][:_MOST_MEMBERS]


def _list_along(state: TypingState, starts: Blocks, number: int, place: int, offset: int) -> Claims:
    """Return claims of what the pointers at `place` lead to (at `offset` in it), from one block to the next, as long
    as each is as large as the type and has none yet."""
    graph = state.graph
    size = np.full(len(state), state.book.info(number).size)
    flexible = state.layouts.of(number).flexible
    right = fits(state.room, size, state.layouts.overhead) if flexible < 0 else state.room >= flexible
    fitting = right & (state.type < 0)
    sources = fitting.copy()
    sources[starts] = True
    edges = np.flatnonzero((graph.place == place) & (graph.offset == offset))
    edges = edges[fitting[graph.target[edges]] & sources[graph.source[edges]]]
    if len(edges) < _FEWEST:
        return joined([])
    following = np.full(len(state), -1, np.int32)
    following[graph.source[edges]] = graph.target[edges]
    path, parents = walk(following, fitting, starts)
    places = state.held.blocks.start[parents] + np.uint64(place)
    found = claims(path, number, How.PART if offset else How.MEMBER, parent=parents, parent_place=places)
    trust = int(state.trust[starts].min(initial=3))
    found.confidence[:] = trust
    return found


class PlainLoop:
    """Goes from block to block without numpy, where a struct with just the right room is at hand; what is not so plain
    is left to the caller as edges."""

    def __init__(self, state: TypingState, has_larger: HasLarger) -> None:
        self._state = state
        self._has_larger = has_larger
        self._rooms: dict[int, tuple[int, int]] = {}

    def go(self, front: Blocks) -> tuple[Blocks, NDArray[np.int64]]:
        """Type what can be reached from the front; return the front where it stops, and the edges left."""
        state, graph, layouts = self._state, self._state.graph, self._state.layouts
        state.changes += 1
        place, target, offset = graph.place.data, graph.target.data, graph.offset.data
        begin, room, types = state.begin.data, state.room.data, state.type.data
        queue = front.tolist()
        left: list[int] = []
        size, learned = layouts.pointer_size, state.learned
        for done, block in enumerate(queue, 1):
            if done > _MOST_BLOCKS:
                return np.array(queue[done - 1 :], np.int32), np.array(left, np.int64)
            number = types[block]
            layout = layouts.of(number)
            codes = layout.codes if layout.flexible < 0 else layout.codes[: layout.flexible // size]
            plain = not state.count[block]
            part = int(state.part[block])
            for edge in range(begin[block], begin[block + 1]):
                if types[target[edge]] >= 0:
                    continue
                word = (place[edge] - part) // size
                if not plain or place[edge] < part or word >= len(codes):
                    left.append(edge)
                    continue
                code = int(codes[word])
                if code < 0 and code != MIXED:
                    continue
                whole = code
                if code < 0 or offset[edge] or not self._fits(code, room[target[edge]]):
                    whole = learned.get((code, offset[edge], room[target[edge]]), (-1, 0))[0]
                if whole < 0:
                    left.append(edge)
                    continue
                self._enter(block, edge, whole, whole != code)
                queue.append(target[edge])
        return np.empty(0, np.int32), np.array(left, np.int64)

    def _enter(self, block: int, edge: int, code: int, is_part: bool) -> None:
        state = self._state
        target = state.graph.target[edge]
        state.type[target] = code
        trust = min(int(state.trust[block]), int(Confidence.LIKELY)) if is_part else int(state.trust[block])
        state.confidence[target] = state.trust[target] = trust
        state.how[target] = int(How.PART if is_part else How.MEMBER)
        state.parent[target] = block
        state.parent_place[target] = state.held.blocks.start[block] + np.uint64(state.graph.place[edge])
        state.whole[target] = True

    def _fits(self, code: int, room: int) -> bool:
        """Whether malloc gives so much room for a struct (its flexible array may take more)."""
        if code not in self._rooms:
            info, flexible = self._state.book.info(code), self._state.layouts.of(code).flexible
            least = int(least_room(np.array([info.size]), self._state.layouts.overhead)[0])
            is_struct = info.kind is TypeKind.STRUCT and info.size and not self._has_larger(code, least)
            self._rooms[code] = (flexible, 1 << 62) if flexible >= 0 else (least, least) if is_struct else (1, 0)
        least, most = self._rooms[code]
        return least <= room <= most
