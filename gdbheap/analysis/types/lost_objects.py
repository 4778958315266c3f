"""C++ objects that nothing typed leads to: known by the containers in them, whose words go with each other in ways that
hardly anything else does (a std::string that points to its own buffer, a list's node whose next one points back)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.container_signs import Signs
from gdbheap.analysis.types.containers import containers_in
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.fits import least_room
from gdbheap.analysis.types.libstdcxx import NodeKind, is_closure, is_internal, is_value, node_kind, value_of
from gdbheap.analysis.types.plausible import floats_used
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among, counted, distinct
from gdbheap.types.catalogue import NONE, TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scores = NDArray[np.int32]

# So many sizes of blocks are looked at, so many blocks of each, and so many types.
_MOST_ROOMS = 512
_MOST_BLOCKS = 1 << 16
_MOST_TYPES = 64
# What a type must have in its favour, and more than the next best.
_ENOUGH, _MARGIN = 2, 1
# So often what lies in others waits for them.
_ROUNDS_OUTSIDE = 4


def lost_objects(state: TypingState, rounds: int) -> Claims:
    """Return claims of blocks without a type: the best type of each size that goes with all its containers. In the
    first rounds what others of them point to is left out: what those are tells it better."""
    told = joined(list(_told(state)))
    return _outermost(state, told) if rounds < _ROUNDS_OUTSIDE else told


def undecided_nodes(state: TypingState) -> Claims:
    """Return possible claims of the nodes of lists and trees that go with several types as well: all are kept."""
    state.undecided[:] = False
    list(_told(state))
    blocks = np.flatnonzero(state.undecided & (state.type < 0)).astype(np.int32)
    kept = [state.alternatives[block][0] for block in blocks.tolist()]
    return claims(blocks, kept, How.POINTS_TO, Confidence.POSSIBLE)


def _outermost(state: TypingState, told: Claims) -> Claims:
    """Return the claims of blocks that none of the others points to, but those that they point to themselves; all
    where each has one."""
    if not len(told):
        return told
    graph, mine = state.graph, np.zeros(len(state), np.bool_)
    mine[told.block] = True
    edges = np.flatnonzero(mine[graph.source] & mine[graph.target] & (graph.source != graph.target))
    source, target = graph.source[edges].astype(np.int64), graph.target[edges].astype(np.int64)
    onward = ~are_among((source << 32) | target, np.sort((target << 32) | source))
    mine[target[onward]] = False
    kept = mine[told.block]
    return told.at(kept) if kept.any() else told


def _told(state: TypingState) -> Iterator[Claims]:
    """Yield the claims. What goes with none is not asked again: its own words do not change."""
    unknown = np.flatnonzero((state.type < 0) & ~state.no_object)
    rooms, count = counted(state.room[unknown])
    kinds, sizes = state.book.kinds_and_sizes()
    structs = np.flatnonzero((kinds == TypeKind.STRUCT) & (sizes > 0))
    room_of = least_room(sizes[structs], state.layouts.overhead)
    signs = Signs(state)
    for room in rooms[np.argsort(-count, kind="stable")][:_MOST_ROOMS].tolist():
        numbers = [each for each in structs[room_of == room].tolist() if _has_signs(state, signs, each)][:_MOST_TYPES]
        if numbers:
            blocks = unknown[state.room[unknown] == room][:_MOST_BLOCKS].astype(np.int32)
            yield from _best(state, signs, numbers, blocks)


def _has_signs(state: TypingState, signs: Signs, number: int) -> bool:
    if number not in state.has_signs:
        state.has_signs[number] = _may_have_signs(state, signs, number)
    return state.has_signs[number]


def _may_have_signs(state: TypingState, signs: Signs, number: int) -> bool:
    if node_kind(state.book, number) is not None:
        return True
    return (
        not is_internal(state.book, number)
        and not is_closure(state.book, number)
        and not is_value(state.book, number)
        and not state.book.info(number).name.startswith("std::variant<")
        and (bool(containers_in(state.book, number)) or signs.has_variants(number))
    )


def _best(state: TypingState, signs: Signs, numbers: list[int], blocks: NDArray[np.int32]) -> Iterator[Claims]:
    scores = np.stack([_score(state, signs, number, blocks) for number in numbers])
    state.no_object[blocks[scores.max(axis=0) < 0]] = True
    best = scores.argmax(axis=0)
    most = scores.max(axis=0)
    second = np.partition(scores, -2, axis=0)[-2] if len(numbers) > 1 else np.full(len(blocks), -1, np.int32)
    sure = (most >= _ENOUGH) & (most - np.maximum(second, 0) >= _MARGIN)
    for row in distinct(best[sure]).tolist():
        here = blocks[sure & (best == row)]
        number = _as_a_whole(state, numbers[row], numbers)
        if number != NONE:
            yield claims(here, number, How.POINTS_TO, Confidence.LIKELY)
    _keep_undecided(state, numbers, blocks, np.where((scores == most) & ~sure, scores, np.int32(0)))


def _keep_undecided(state: TypingState, numbers: list[int], blocks: NDArray[np.int32], best: Scores) -> None:
    """Note the blocks that are nodes by their links, but of several types as well: nothing weaker may name them."""
    linked = [row for row, each in enumerate(numbers) if node_kind(state.book, each) in (NodeKind.LIST, NodeKind.TREE)]
    tied = (best[linked] >= _ENOUGH).sum(axis=0) > 1
    state.undecided[blocks[tied]] = True
    for at in np.flatnonzero(tied).tolist():
        state.alternatives[int(blocks[at])] = tuple(numbers[row] for row in linked if best[row, at] >= _ENOUGH)


def _as_a_whole(state: TypingState, number: int, judged: list[int]) -> int:
    """Return the type, or what it is only one of several contents of (a std::variant's), for which malloc gives the
    same room: which nothing in it tells; NONE where there are several."""
    book, overhead = state.book, state.layouts.overhead
    room = least_room(np.array([book.info(number).size]), overhead)
    parts = [number, *state.variants.get(number, ())]
    holders = [
        each
        for part in parts
        for each, place in state.embedded.holders(part)
        if not place
        and each not in judged
        and book.info(each).name
        and not is_internal(book, each)
        and book.info(each).name
        and not book.info(each).name.startswith("std::")
        and least_room(np.array([book.info(each).size]), overhead) == room
    ]
    return number if not holders else holders[0] if len(holders) == 1 else NONE


def _score(state: TypingState, signs: Signs, number: int, blocks: NDArray[np.int32]) -> Scores:
    """Return what speaks for it that each of the blocks is an object of the type, -1 where anything speaks against
    it."""
    address = state.held.blocks.start[blocks]
    total = np.zeros(len(blocks), np.int32)
    wrong = np.zeros(len(blocks), np.bool_)
    for offset, container in containers_in(state.book, number):
        said = signs.of_container(container, address + np.uint64(offset))
        wrong |= said < 0
        total += said
    told = [signs.of_variants(number, address)] if signs.has_variants(number) else []
    told += [signs.of_node(number, blocks)] if node_kind(state.book, number) is not None else []
    for said in told:
        wrong |= said < 0
        total += said
    left = np.flatnonzero(~wrong)
    # (A node's links may lead to the container itself.)
    inner, part = value_of(state.book, number)
    if len(left) and inner != NONE:
        good, bad = evidence(state, inner, blocks[left], part)
        wrong[left] |= bad > 0
        total[left] += np.minimum(good, 4) + floats_used(state, inner, blocks[left], part)
    return np.where(wrong, np.int32(-1), total)
