"""Structs that end with bytes, so many as a number in front says, and pointers behind these, up to the end of the
block: the nodes of a radix tree. What the pointers lead to is of the same struct where it goes with the same law."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.counts import read_integers
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct, first_of_each
from gdbheap.types.catalogue import MemberKind, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32] | NDArray[np.intp]
    Column = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# Of so many known nodes one may not go with a law.
_TOLERANCE = 8
# So deep trees are gone through, so many nodes below one are no accident, and so many structs are looked at.
_DEEPEST = 1 << 12
_SEVERAL = 4
_MOST_TYPES = 64
_MOST_MEMBERS = 8
# A number is the whole of an integer, or what is left of it without some of its lower bits: the last bit field.
_WIDTHS = (2, 4, 8)


@dataclass(frozen=True)
class Law:
    """That the number of bytes is the integer of `width` bytes at `offset`, shifted by `shift` bits to the right."""

    offset: int
    width: int
    shift: int


@dataclass(frozen=True)
class Lying:
    """Where the pointers of some blocks begin (`first`, bytes from the block's start), how many of them lead to the
    like (`children`), which blocks go with the law at all, and which so that it is no accident (`telling`): a pointer
    lies at the struct's end in many, but not several, or one so far behind as there are bytes."""

    first: Column
    children: Column
    sound: Mask
    telling: Mask


def bytes_and_pointers(state: TypingState) -> Iterator[Claims]:
    """Yield claims of what the pointers of such structs lead to."""
    for number in _ending_with_bytes(state):
        laws = laws_of(state, number)
        if laws:
            yield from _of_tree(state, number, laws)


def lone_trees(state: TypingState) -> Claims:
    """Return claims of blocks that nothing typed leads to and that are such nodes, as those are known, with others
    below them: two in a row, or several beside each other."""
    found = []
    for number in _ending_with_bytes(state):
        laws = laws_of(state, number)
        blocks = np.flatnonzero((state.type < 0) & (state.degree > 0)) if laws else np.empty(0, np.intp)
        blocks = blocks[_go_with(state, number, laws, blocks)]
        if not len(blocks):
            continue
        edges = _to_children(state, number, laws[0], blocks)
        below, above = state.graph.target[edges], state.graph.source[edges]
        good = np.bincount(above[_are_sound(state, number, laws, below)], minlength=len(state))
        going_on = np.bincount(above[_go_with(state, number, laws, below)], minlength=len(state))
        told = good[blocks] == np.bincount(above, minlength=len(state))[blocks]
        told &= (going_on[blocks] > 0) | (good[blocks] >= _SEVERAL)
        found.append(claims(blocks[told], number, How.POINTS_TO, Confidence.LIKELY))
    return joined(found)


def laws_of(state: TypingState, number: int) -> tuple[Law, ...]:
    """Return the laws that nearly all blocks go with which are known to be such structs, those that are certain if they
    tell any; none where no block's bytes and pointers tell."""
    known = np.flatnonzero((state.type == number) & (state.count == 0) & (state.part == 0))
    known = known[state.how[known] != How.POINTS_TO]
    for blocks in (known[state.confidence[known] == Confidence.CERTAIN], known):
        laws = tuple(law for law in _possible(state, number) if _holds(state, number, law, blocks))
        if len(blocks) and _go_with(state, number, laws, blocks).any():
            return laws
    return ()


def _holds(state: TypingState, number: int, law: Law, blocks: Blocks) -> bool:
    # (malloc may have given more than was asked for: such do not go with it.)
    wrong = int(np.count_nonzero(~_lying(state, number, law, blocks).sound))
    return _TOLERANCE * wrong <= len(blocks)


def _of_tree(state: TypingState, number: int, laws: tuple[Law, ...]) -> Iterator[Claims]:
    front: Blocks = np.flatnonzero((state.type == number) & (state.count == 0) & (state.part == 0))
    seen = np.zeros(len(state), np.bool_)
    for _ in range(_DEEPEST):
        edges = _to_children(state, number, laws[0], front)
        edges = edges[state.type[state.graph.target[edges]] < 0]
        edges = edges[~seen[state.graph.target[edges]]]
        edges = edges[first_of_each(state.graph.target[edges], len(state))]
        target = state.graph.target[edges]
        seen[target] = True
        sound = _are_sound(state, number, laws, target)
        edges, front = edges[sound], target[sound]
        if not len(front):
            return
        parent = state.graph.source[edges]
        place = state.held.blocks.start[parent] + state.graph.place[edges].astype(np.uint64)
        yield claims(front, number, How.MEMBER, Confidence.LIKELY, parent=parent, parent_place=place)


def _go_with(state: TypingState, number: int, laws: tuple[Law, ...], blocks: Blocks) -> Mask:
    """Return which of the blocks go with all the laws, and that by no accident."""
    found = np.full(len(blocks), len(laws) > 0)
    for law in laws:
        found &= _lying(state, number, law, blocks).telling
    return found


def _are_sound(state: TypingState, number: int, laws: tuple[Law, ...], blocks: Blocks) -> Mask:
    found = np.ones(len(blocks), np.bool_)
    for law in laws:
        found &= _lying(state, number, law, blocks).sound
    return found


def _to_children(state: TypingState, number: int, law: Law, blocks: Blocks) -> Column:
    """Return the edges out of these blocks that lead to others of their kind."""
    lying = _lying(state, number, law, blocks)
    edges = state.edges_of(blocks)
    row = np.repeat(np.arange(len(blocks)), state.degree[blocks])
    at = state.graph.place[edges].astype(np.int64) - lying.first[row]
    inside = (at >= 0) & (at < lying.children[row] * state.layouts.pointer_size)
    found: Column = edges[inside & lying.sound[row] & (state.graph.offset[edges] == 0)]
    return found


def _lying(state: TypingState, number: int, law: Law, blocks: Blocks) -> Lying:
    """Return how pointers lie in the blocks: behind the bytes one for each byte, or one, and perhaps another; malloc
    gives just the room for that."""
    layouts, graph = state.layouts, state.graph
    size, flexible = layouts.pointer_size, layouts.of(number).flexible
    room = state.room[blocks]
    start = state.held.blocks.start[blocks] + np.uint64(law.offset)
    bytes_of = read_integers(state, start, law.width) >> law.shift
    sound = bytes_of <= room - flexible
    bytes_of = np.where(sound, bytes_of, 0)
    first = (flexible + bytes_of + size - 1) // size * size
    # (The edges of a block lie in the order of their places.)
    has = state.degree[blocks] > 0
    edge = np.minimum(state.begin[blocks], max(len(graph.place) - 1, 0))
    leads = has & (graph.place[edge] == first) & (graph.offset[edge] == 0) if len(graph.place) else has
    sound &= ~has | (graph.place[edge] >= first) if len(graph.place) else True

    def room_for(pointers: Column | int) -> Mask:
        found: Mask = least_room(first + size * pointers, layouts.overhead) == room
        return found

    each = (room_for(bytes_of) | room_for(bytes_of + 1)) & leads & (bytes_of > 0)
    one = (room_for(1) | room_for(2)) & (leads | (bytes_of == 0))
    none = least_room(flexible + bytes_of, layouts.overhead) == room
    children = np.where(each, bytes_of, np.where(one & (bytes_of > 0), 1, 0))
    sound &= each | one | (none & ~has)
    telling = sound & (children > 0) & ((children > 1) | (first > (flexible + size) // size * size))
    return Lying(first, children, sound, telling)


def _ending_with_bytes(state: TypingState) -> list[int]:
    """Return the types of blocks that hold pointers where their type ends with bytes."""
    layouts = state.layouts
    types = distinct(state.type[(state.type >= 0) & (state.degree > 0) & (state.count == 0)])
    local = layouts.local(types)
    ending: list[int] = types[(layouts.flexible[local] > 0) & (layouts.stride[local] == 1)].tolist()
    return ending[:_MOST_TYPES]


def _possible(state: TypingState, number: int) -> Iterator[Law]:
    """Yield all laws that a struct's integers in front of the bytes may follow."""
    book = state.book
    done = set()
    for member in book.info(number).members[:_MOST_MEMBERS]:
        kind = book.stripped(member.type)
        info = book.info(kind) if kind >= 0 else None
        if info is None or info.kind is not TypeKind.SCALAR or info.size not in _WIDTHS:
            continue
        shifts = range(8 * info.size) if member.kind is MemberKind.BIT_FIELD else range(1)
        if member.offset % info.size == 0 and member.offset not in done:
            done.add(member.offset)
            yield from (Law(member.offset, info.size, shift) for shift in shifts)
