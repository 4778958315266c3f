"""Pointers to the inside of blocks, as far as they come from elsewhere: a block that points into itself holds
nothing by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.analysis.pointers.graph import PointerEdges, Pointers

    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class InteriorPointers:
    """Pointers to the `offset` (not 0) within the `target` blocks."""

    target: NDArray[np.int32]
    offset: NDArray[np.uint32]

    def at(self, chosen: Mask) -> InteriorPointers:
        """Return the chosen ones."""
        return InteriorPointers(self.target[chosen], self.offset[chosen])


def from_elsewhere(
    graph: PointerEdges, from_roots: Pointers, of_registers: list[tuple[int, int]]
) -> tuple[InteriorPointers, Mask]:
    """Return all pointers to the inside of blocks that roots, registers (target, offset) and other blocks hold, and
    to the start of which blocks they hold any."""
    other = graph.source != graph.target
    registers = np.array(of_registers, np.int64).reshape(-1, 2)
    target, offset = registers[:, 0].astype(np.int32), np.minimum(registers[:, 1], 0xFFFF_FFFF).astype(np.uint32)
    words = (
        (graph.target, graph.offset, other),
        (from_roots.target, from_roots.offset, None),
        (target, offset, None),
    )
    to_start = np.zeros(len(graph.head), np.bool_)
    inside: list[tuple[NDArray[np.int32], NDArray[np.uint32]]] = []
    for target, offset, chosen in words:
        is_start = offset == 0
        to_start[target[is_start if chosen is None else is_start & chosen]] = True
        is_inside = ~is_start if chosen is None else ~is_start & chosen
        inside.append((target[is_inside], offset[is_inside]))
    return InteriorPointers(*(np.concatenate(column) for column in zip(*inside))), to_start
