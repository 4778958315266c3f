"""A header that a program's own malloc puts before every block that it hands out (a size, a pool, a mark): where most
typed pointers lead to one offset, blocks are taken as beginning there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.types.block_types import BlockTypes, How
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many typed blocks begin behind a header at least, which is so much of all that pointers lead to (in percent), and
# it is no longer than this.
_FEWEST, _PART = 32, 75
_LONGEST = 256
# Where nothing of a type lies, nor leads to.
_NOWHERE = (1 << 32) - 1


def own_header(types: BlockTypes, least: int) -> int:
    """Return how long the program's own header is, a multiple of `least`; 0 where there is none."""
    led = np.isin(types.how, (How.VARIABLE, How.MEMBER, How.PART)) & (types.type >= 0)
    part = types.part[led & (types.part <= _LONGEST)]
    values, count = np.unique(part[part > 0], return_counts=True)
    if not len(values):
        return 0
    best = int(count.argmax())
    header, times = int(values[best]), int(count[best])
    return header if times >= _FEWEST and 100 * times >= _PART * len(part) and not header % least else 0


def behind_headers(held: PointerGraph, header: int) -> PointerGraph:
    """Return the same graph for blocks that begin behind such a header."""
    blocks, graph, roots = held.blocks, held.graph, held.from_roots
    start = np.minimum(blocks.start + np.uint64(header), blocks.end)
    return replace(
        held,
        blocks=replace(blocks, start=start),
        graph=replace(graph, place=_moved(graph.place, header), offset=_moved(graph.offset, header)),
        from_roots=replace(roots, offset=_moved(roots.offset, header)),
    )


def with_headers(types: BlockTypes, held: PointerGraph, header: int) -> BlockTypes:
    """Return the answer for the blocks as they are, from that for the blocks behind their headers."""
    typed = types.type >= 0
    in_header = held.graph.place < header
    return replace(
        types,
        start=held.blocks.start,
        part=np.where(typed, types.part + np.uint32(header), types.part).astype(np.uint32),
        firm=types.firm & ~in_header,
        dead=types.dead & ~in_header,
    )


def _moved(column: NDArray[np.uint32], header: int) -> NDArray[np.uint32]:
    moved: NDArray[np.uint32] = np.where(column >= header, column - np.uint32(header), np.uint32(_NOWHERE))
    return moved
