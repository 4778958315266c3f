"""What types say of pointers: a member that is a pointer means what it points to, though that be the inside of a
block, and a word that lies where its block's type has nothing means nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.lazy import np

if TYPE_CHECKING:
    from gdbheap.analysis.types.block_types import BlockTypes


def as_typed(held: PointerGraph, types: BlockTypes) -> PointerGraph:
    """Return the graph without the words that mean nothing, and with the pointer members of blocks, and variables'
    pointers to structs within typed blocks, as pointers to the start."""
    graph = held.graph
    if types.firm.any() or types.dead.any():
        alive = ~types.dead
        offset = np.where(types.firm, np.uint32(0), graph.offset)
        graph = replace(
            graph,
            source=graph.source[alive],
            place=graph.place[alive],
            target=graph.target[alive],
            offset=offset[alive],
        )
    roots = held.from_roots
    if types.firm_roots.any():
        roots = replace(roots, offset=np.where(types.firm_roots, np.uint32(0), roots.offset))
    return replace(held, graph=graph, from_roots=roots)
