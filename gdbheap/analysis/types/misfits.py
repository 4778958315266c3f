"""Blocks that are not what a typed pointer to their start says: too small for it, of another type, or with something
else where its pointers should be. They may have been overwritten, or freed and used again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import BlockTypes, Confidence, How, Misfit
from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.pointers import begins_with, pointers_of
from gdbheap.types.type_names import size_of
from gdbheap.types.typed_root import RootKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.pointer_graph import PointerGraph
    from gdbheap.process.process import Process

_MOST = 1 << 12
# So many pointers of one type are looked at.
_MOST_POINTERS = 64
# So many blocks without a type are read.
_MOST_READ = 1 << 14
# A member that leads nowhere in so many objects of its type is one that the program does not use.
_UNUSED = 8


@dataclass(frozen=True)
class _Pointer:
    """The word at `place` of block `holder`, which points to the start of `block` and, by its type, to an `expected`
    one."""

    block: int
    holder: int
    place: int
    expected: int


def find_misfits(process: Process, held: PointerGraph, types: BlockTypes) -> tuple[Misfit, ...]:
    """Return them in order of address, each once; at most a few thousand."""
    found: dict[int, Misfit] = {}
    read = 0
    for each in _typed_pointers(held, types):
        if each.block in found:
            continue
        if types.type[each.block] == NONE:
            read += 1
        misfit = _misfit(process, held, types, each) if read <= _MOST_READ else None
        if misfit is not None:
            found[each.block] = misfit
            if len(found) == _MOST:
                break
    for misfit in islice(_overwritten(process, held, types), _MOST):
        found.setdefault(misfit.block, misfit)
    return tuple(found[block] for block in sorted(found)[:_MOST])


def _overwritten(process: Process, held: PointerGraph, types: BlockTypes) -> Iterator[Misfit]:
    """Yield the objects that a typed pointer leads to and that have no address at all where the type has a pointer
    which the program uses."""
    led = np.isin(types.how, (How.VARIABLE, How.MEMBER, How.PART))
    doubted = _doubted(types)
    led &= (types.confidence >= Confidence.LIKELY) | doubted
    single = (types.type != NONE) & (types.count == 0)
    for number in distinct(types.type[single & led]).tolist():
        if not _is_telling(types, number):
            continue
        blocks = np.flatnonzero(single & (types.type == number))
        start = held.blocks.start[blocks] + types.part[blocks]
        offsets = sorted(pointers_of(types.catalogue, number))[:_MOST_POINTERS]
        for offset in offsets:
            words = gather_words(process.memory, process.pointer_size, start + np.uint64(offset), 1)[:, 0]
            wrong = _not_canonical(process, words)
            if np.count_nonzero(~wrong) >= _UNUSED and not words[~wrong].any():
                continue  # never written: what lay there before
            for at in np.flatnonzero(wrong & led[blocks]).tolist():
                block = int(blocks[at])
                if doubted[block] and not _leads_anywhere(process, int(start[at]), offsets):
                    continue  # all of it is something else: the pointer to it was left behind
                yield Misfit(
                    block,
                    int(types.parent[block]),
                    int(types.parent_place[block]),
                    number,
                    int(types.part[block]),
                    "not a pointer",
                    offset,
                )


def _doubted(types: BlockTypes) -> NDArray[np.bool_]:
    """Return which blocks lasting pointers say the types of, though their own bytes speak against these."""
    doubted: NDArray[np.bool_] = (types.type != NONE) & (types.confidence == Confidence.POSSIBLE)
    doubted[list(types.alternatives)] = False
    local = [each for each in types.roots if each.kind is RootKind.LOCAL]
    for block in np.flatnonzero(doubted & (types.parent < 0)).tolist():
        place = int(types.parent_place[block])
        stale = any(0 <= place - each.address < max(size_of(types.catalogue, each.type), 1) for each in local)
        doubted[block] = place > 0 and not stale
    return doubted


def _leads_anywhere(process: Process, start: int, offsets: Iterable[int]) -> bool:
    """Whether any of an object's pointers is an address of something."""
    try:
        words = [process.words.read(start + offset) for offset in offsets]
    except MemoryFault:
        return False
    return any(word and process.address_space.find(word) is not None for word in words)


def _not_canonical(process: Process, words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    values, which = np.unique(words, return_inverse=True)
    wrong = np.array([not process.machine.is_canonical(value) for value in values.tolist()], np.bool_)
    return wrong[which]


def _typed_pointers(held: PointerGraph, types: BlockTypes) -> Iterator[_Pointer]:
    """Yield the pointers to structs, at starts of blocks, in blocks whose type is certain."""
    graph = held.graph
    source = graph.source
    sure = (types.confidence[source] == Confidence.CERTAIN) & (types.type[source] != NONE) & ~types.dead
    rows = np.flatnonzero(sure & (graph.offset == types.part[graph.target]))
    inside = graph.place[rows].astype(np.int64) - types.part[source[rows]]
    numbers, which = np.unique(types.type[source[rows]], return_inverse=True)
    sizes = np.array([max(size_of(types.catalogue, int(each)), 1) for each in numbers], np.int64)[which]
    inside = np.where(types.count[source[rows]] > 0, inside % sizes, inside)
    expected: dict[int, dict[int, int]] = {}
    for row, number, offset in zip(rows.tolist(), types.type[source[rows]].tolist(), inside.tolist()):
        if number not in expected:
            expected[number] = pointers_of(types.catalogue, number)
        target = expected[number].get(offset, NONE)
        if target != NONE and _is_telling(types, target):
            holder = int(source[row])
            place = int(held.blocks.start[holder]) + int(graph.place[row])
            yield _Pointer(int(graph.target[row]), holder, place, target)


def _is_telling(types: BlockTypes, number: int) -> bool:
    info = types.catalogue.types[number]
    return info.kind is TypeKind.STRUCT and info.size > 1


def _misfit(process: Process, held: PointerGraph, types: BlockTypes, pointer: _Pointer) -> Misfit | None:
    block, expected = pointer.block, pointer.expected
    part = int(types.part[block])
    where = (block, pointer.holder, pointer.place, expected, part)
    number = int(types.type[block])
    room = int(held.blocks.end[block]) - int(held.blocks.start[block]) - part
    if number != NONE:
        if not _speaks_for_itself(types, block) or _agree(types, number, expected):
            return None
        return Misfit(*where, "another type")
    if room < size_of(types.catalogue, expected):
        return Misfit(*where, "too small")
    offset = _no_pointer(process, types, int(held.blocks.start[block]) + part, expected)
    return None if offset is None else Misfit(*where, "not a pointer", offset)


def _speaks_for_itself(types: BlockTypes, block: int) -> bool:
    """Whether the block's type is certain, and not because of its contents alone."""
    return int(types.confidence[block]) == Confidence.CERTAIN and int(types.how[block]) != How.CONTENTS


def _agree(types: BlockTypes, number: int, expected: int) -> bool:
    """Whether one type may stand for the other: as its first member, its base class, or a declared kin of it."""
    info = types.catalogue.types[number]
    if info.kind not in (TypeKind.STRUCT, TypeKind.POINTER, TypeKind.ARRAY):
        return True  # raw memory, and unions, are used as anything
    return begins_with(types.catalogue, number, expected) or begins_with(types.catalogue, expected, number)


def _no_pointer(process: Process, types: BlockTypes, start: int, expected: int) -> int | None:
    """Return the offset of the first pointer of an expected object that holds what is none; None where all are."""
    for offset in sorted(pointers_of(types.catalogue, expected)):
        try:
            word = process.words.read(start + offset)
        except MemoryFault:
            return None
        if word and process.address_space.find(word) is None:
            return offset
    return None
