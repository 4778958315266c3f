"""Buffers of bytes whose old contents look like pointers: what a pointer to characters or numbers leads to is data,
even where words in it lead to blocks (malloc does not clear what it hands out)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.analysis.types.block_types import BlockTypes, Role
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import are_among
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.pointers import pointers_of
from gdbheap.types.type_names import size_of, stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DATA = (TypeKind.CHARACTER, TypeKind.SCALAR)


def edges_of_buffers(held: PointerGraph, groups: RootGroups, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which edges of the graph lie in such a buffer, of whose type nothing else is known."""
    is_data = np.array([_leads_to_data(types.catalogue, each) for each in types.roles], np.bool_)
    buffers = (types.type == NONE) & (types.role != NONE)
    buffers[buffers] = is_data[types.role[buffers]]
    of_variables = held.from_roots.target[_words_to_data(held, groups, types.catalogue)]
    buffers[of_variables[(types.type[of_variables] == NONE) & (types.role[of_variables] == NONE)]] = True
    found: NDArray[np.bool_] = buffers[held.graph.source]
    return found


def _words_to_data(held: PointerGraph, groups: RootGroups, catalogue: Catalogue) -> NDArray[np.intp]:
    """Return which root words are variables, or members of such, that are pointers to characters or numbers."""
    inside = held.from_roots.place.astype(np.int64) - groups.starts[groups.of_word].astype(np.int64)
    kind = groups.types[groups.of_word]
    chosen = np.flatnonzero(kind != NONE)
    chosen = chosen[np.argsort(kind[chosen], kind="stable")]
    first = np.flatnonzero(np.diff(kind[chosen], prepend=NONE))
    found = [np.zeros(0, np.intp)]
    for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(chosen)]):
        rows = chosen[begin:end]
        size, offsets = _pointers_to_data(catalogue, int(kind[rows[0]]))
        found.append(rows[are_among(inside[rows] % size, np.array(sorted(offsets), np.int64))])
    return np.concatenate(found)


def _pointers_to_data(catalogue: Catalogue, number: int) -> tuple[int, list[int]]:
    """Return after how many bytes a type's members repeat themselves (those of an array: the size of an element), and
    where among these pointers to characters or numbers lie."""
    number = stripped(catalogue, number)
    while number != NONE and catalogue.types[number].kind is TypeKind.ARRAY:
        number = stripped(catalogue, catalogue.types[number].target)
    pointers = pointers_of(catalogue, number)
    offsets = [offset for offset, target in pointers.items() if _is_data(catalogue, target)]
    return max(size_of(catalogue, number), 1), offsets


def _leads_to_data(catalogue: Catalogue, role: Role) -> bool:
    return _is_data(catalogue, pointers_of(catalogue, role.type).get(role.offset, NONE))


def _is_data(catalogue: Catalogue, kind: int) -> bool:
    target = stripped(catalogue, kind)
    return target != NONE and catalogue.types[target].kind in _DATA
