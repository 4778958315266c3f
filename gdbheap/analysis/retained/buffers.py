"""Buffers of bytes whose old contents look like pointers: what a pointer to characters or numbers leads to is data,
even where words in it lead to blocks (malloc does not clear what it hands out)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes, Role
from gdbheap.lazy import np
from gdbheap.types.catalogue import NONE, Catalogue, TypeKind
from gdbheap.types.pointers import pointers_of
from gdbheap.types.type_names import stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DATA = (TypeKind.CHARACTER, TypeKind.SCALAR)


def edges_of_buffers(held: PointerGraph, types: BlockTypes) -> NDArray[np.bool_]:
    """Return which edges of the graph lie in such a buffer, of whose type nothing else is known."""
    is_data = np.array([_leads_to_data(types.catalogue, each) for each in types.roles], np.bool_)
    buffers = (types.type == NONE) & (types.role != NONE)
    buffers[buffers] = is_data[types.role[buffers]]
    found: NDArray[np.bool_] = buffers[held.graph.source]
    return found


def _leads_to_data(catalogue: Catalogue, role: Role) -> bool:
    target = stripped(catalogue, pointers_of(catalogue, role.type).get(role.offset, NONE))
    return target != NONE and catalogue.types[target].kind in _DATA
