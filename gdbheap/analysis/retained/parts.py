"""The members of variables and of single objects, as holders of their own: a server's sessions apart from its log.

A variable is taken apart, and so is a block of a type that few blocks have: an object of which there is one is what a
program's data hang on. Containers and arrays of pointers stay whole; what has no type is taken apart word by word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import LOST_TRAIL, MAPPING
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.analysis.types.block_types import BlockTypes
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.type_names import size_of, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Nodes = NDArray[np.int32]

# Blocks of a type are taken apart if there are no more of them than this.
_FEW = 16
# Longer arrays stay whole.
_SHORT = 64
_DEEPEST = 16
# Whose objects stay whole.
_LIBRARY = ("std::", "boost::")


@dataclass(frozen=True)
class Parts:
    """Part n is what begins at `start[n]` in the block or root group `owner[n]` (a node). `of_edge` has the part that
    each edge of the graph comes from, `of_word` the same for each root word; -1: from the whole."""

    owner: Nodes
    start: NDArray[np.int64]
    of_edge: Nodes
    of_word: Nodes

    def __len__(self) -> int:
        return len(self.owner)


@dataclass(frozen=True)
class Part:
    """A part of a type: where it begins, the `way` to it (".sessions"; "" for the whole), and its type."""

    start: int
    way: str
    type: int


def part_at(catalogue: Catalogue, number: int, offset: int, depth: int = 0) -> Part:
    """Return the part of a type that holds the offset; the whole where the type is not taken apart."""
    whole = Part(0, "", number)
    number = stripped(catalogue, number)
    info = catalogue.types[number] if number != NONE else None
    if info is None or depth > _DEEPEST or info.name.startswith(_LIBRARY):
        return whole
    if info.kind is TypeKind.ARRAY:
        size = size_of(catalogue, info.target)
        if not size or not _is_divided(catalogue, number):
            return whole
        index, within = divmod(offset, size)
        part = part_at(catalogue, info.target, within, depth + 1)
        return Part(index * size + part.start, f"[{index}]{part.way}", part.type)
    if info.kind is TypeKind.STRUCT:
        for member in reversed(info.members):
            if member.offset <= offset < member.offset + max(size_of(catalogue, member.type), 1):
                part = part_at(catalogue, member.type, offset - member.offset, depth + 1)
                name = f".{member.name}" if member.name else ""
                return Part(member.offset + part.start, name + part.way, part.type)
    return whole


def _is_divided(catalogue: Catalogue, number: int) -> bool:
    """Whether an object of the type has parts: a struct, and an array of a few; not of pointers and numbers."""
    for _ in range(_DEEPEST):
        number = stripped(catalogue, number)
        info = catalogue.types[number] if number != NONE else None
        if info is None or info.kind is not TypeKind.ARRAY or not 0 < info.count <= _SHORT:
            return info is not None and info.kind is TypeKind.STRUCT and not info.name.startswith(_LIBRARY)
        number = info.target
    return False


def find_parts(held: PointerGraph, groups: RootGroups, types: BlockTypes) -> Parts:
    """Return the parts of all variables and of the blocks that are taken apart."""
    source = held.graph.source
    edges = np.flatnonzero(_taken_apart(held, groups, types)[source])
    blocks = source[edges]
    words = np.flatnonzero(~groups.kind_of_words(MAPPING, LOST_TRAIL))
    number = groups.of_word[words]
    inside = held.from_roots.place[words].astype(np.int64) - groups.starts[number].astype(np.int64)
    owner = np.concatenate((blocks, number + np.int32(len(held.blocks))))
    kind = np.concatenate((types.type[blocks], groups.types[number]))
    offset = np.concatenate((held.graph.place[edges].astype(np.int64) - types.part[blocks], inside))
    start = _starts(types.catalogue, kind, offset)
    keys, which = np.unique(_packed(owner, start), return_inverse=True)
    owners = keys >> 32
    # What is one part alone is the whole.
    several = np.bincount(owners, minlength=1)[owners] > 1
    numbers = np.where(several, np.cumsum(several) - 1, -1).astype(np.int32)[which]
    of_edge, of_word = (np.full(size, -1, np.int32) for size in (len(source), len(held.from_roots)))
    of_edge[edges], of_word[words] = numbers[: len(edges)], numbers[len(edges) :]
    return Parts(owners[several].astype(np.int32), keys[several] & 0xFFFF_FFFF, of_edge, of_word)


def _taken_apart(held: PointerGraph, groups: RootGroups, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which blocks are taken apart: objects of a struct that few blocks are, and what data point to that has no
    type."""
    typed = (types.type != NONE) & (types.count == 0)
    few = np.bincount(types.type[types.type != NONE], minlength=1) <= _FEW
    chosen = np.zeros(len(held.blocks), np.bool_)
    chosen[typed] = few[types.type[typed]]
    pointed_to = held.from_roots.target[~groups.kind_of_words(MAPPING, LOST_TRAIL)]
    untyped = np.zeros(len(held.blocks), np.bool_)
    untyped[pointed_to] = types.type[pointed_to] == NONE
    words = np.bincount(held.graph.source, minlength=len(held.blocks))
    result: NDArray[np.bool_] = chosen | (untyped & (words <= 4 * _FEW))
    return result


def _starts(catalogue: Catalogue, kind: NDArray[np.int32], offset: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the part begins that each offset in a type is in; without a type each word is one."""
    starts = offset & 0xFFFF_FFFF
    starts[kind != NONE] = 0
    numbers = distinct(kind).tolist()
    divided = [number for number in numbers if number != NONE and _is_divided(catalogue, number)]
    typed = np.flatnonzero(np.isin(kind, divided) & (offset >= 0))
    pairs, which = np.unique(_packed(kind[typed], offset[typed]), return_inverse=True)
    found = [part_at(catalogue, pair >> 32, pair & 0xFFFF_FFFF).start for pair in pairs.tolist()]
    starts[typed] = np.array(found, np.int64)[which]
    return starts


def _packed(high: NDArray[np.int32], low: NDArray[np.int64]) -> NDArray[np.int64]:
    packed: NDArray[np.int64] = high.astype(np.int64) << 32 | low & 0xFFFF_FFFF
    return packed
