"""Words of std::weak_ptr: they keep no object alive, so they hold only what nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.type_names import size_of, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEAK = ("std::weak_ptr<", "std::__1::weak_ptr<", "std::__weak_ptr<")
_DEEPEST = 16
# So many places in one type are looked at.
_MOST = 256


def weak_edges(held: PointerGraph, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which edges of the graph come from a word of a weak pointer."""
    graph = held.graph
    found = np.zeros(len(graph.source), np.bool_)
    known: dict[int, tuple[int, ...]] = {}
    weak = [number for number in distinct(types.type).tolist() if number != NONE]
    weak = [number for number in weak if _weak_places(types.catalogue, number, known)]
    if not weak:
        return found
    rows = np.flatnonzero(np.isin(types.type, weak)[graph.source])
    source = graph.source[rows]
    kind = types.type[source]
    place = graph.place[rows].astype(np.int64) - types.part[source]
    for number in weak:
        places = _weak_places(types.catalogue, number, known)
        size = size_of(types.catalogue, number)
        mine = kind == number
        found[rows[mine]] = (place[mine] >= 0) & np.isin(place[mine] % size, places)
    return found


def _weak_places(
    catalogue: Catalogue, number: int, known: dict[int, tuple[int, ...]], depth: int = 0
) -> tuple[int, ...]:
    """Return where in a type the words of weak pointers lie."""
    number = stripped(catalogue, number)
    if number == NONE or depth > _DEEPEST:
        return ()
    if number not in known:
        known[number] = tuple(sorted(set(_places(catalogue, number, known, depth))))[:_MOST]
    return known[number]


def _places(catalogue: Catalogue, number: int, known: dict[int, tuple[int, ...]], depth: int) -> Iterator[int]:
    info = catalogue.types[number]
    if info.kind is TypeKind.STRUCT and info.name.startswith(_WEAK):
        yield from range(0, info.size, max(info.size // 2, 1))
    elif info.kind is TypeKind.STRUCT:
        for member in info.members:
            yield from (member.offset + each for each in _weak_places(catalogue, member.type, known, depth + 1))
    elif info.kind is TypeKind.ARRAY and info.count > 0:
        size = size_of(catalogue, info.target)
        inside = _weak_places(catalogue, info.target, known, depth + 1) if size else ()
        yield from (index * size + each for index in range(min(info.count, _MOST)) for each in inside)
