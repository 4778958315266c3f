"""Leaks in groups: blocks of one verdict, one size and one kind of content together, with what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.contents import SymbolAt, describe
from gdbheap.analysis.leaks.leaks import Leaks, Verdict
from gdbheap.lazy import np
from gdbheap.process.address_space import AddressSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class LeakGroup:
    """`count` blocks of `chunk_size`, alike in their first bytes (`what`); `example` is the mem of the one on which most hangs.

    `hanging_count` and `hanging_bytes` are the indirectly lost blocks that hang on these definitely lost ones.
    """

    verdict: Verdict
    count: int
    bytes: int
    hanging_count: int
    hanging_bytes: int
    chunk_size: int
    what: str
    example: int


def tallies(leaks: Leaks) -> dict[Verdict, tuple[int, int]]:
    """Return (blocks, bytes of their chunks) of each verdict."""
    size = leaks.held.blocks.size
    masks = {verdict: leaks.verdict == verdict for verdict in Verdict}
    return {verdict: (int(mask.sum()), int(size[mask].sum())) for verdict, mask in masks.items()}


def group_leaks(
    leaks: Leaks, chosen: NDArray[np.bool_], space: AddressSpace, symbol_at: SymbolAt, one_by_one: bool = False
) -> list[LeakGroup]:
    """Return the chosen blocks in groups (`one_by_one`: each for itself), by verdict, and in each the largest first, what hangs on it counted."""
    blocks = leaks.held.blocks
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return []
    contents = describe(blocks, leaks.held.graph.head, rows, space, symbol_at)
    hanging_count, hanging_bytes = _hanging(leaks)
    place = rows if one_by_one else _alike(leaks.verdict[rows], blocks.size[rows], contents.kind)
    _, place, count = np.unique(place, return_inverse=True, return_counts=True)
    # Members of a group side by side, the one that holds most first.
    order = np.lexsort((rows, -hanging_bytes[rows].astype(np.int64), place))
    first = np.cumsum(count) - count
    sums = [np.add.reduceat(column[rows[order]], first) for column in (blocks.size, hanging_count, hanging_bytes)]
    found = []
    for index, at in enumerate(first.tolist()):
        row = int(rows[order[at]])
        found.append(
            LeakGroup(
                verdict=Verdict(int(leaks.verdict[row])),
                count=int(count[index]),
                bytes=int(sums[0][index]),
                hanging_count=int(sums[1][index]),
                hanging_bytes=int(sums[2][index]),
                chunk_size=int(blocks.size[row]),
                what=contents.names[int(contents.kind[order[at]])],
                example=int(blocks.start[row]),
            )
        )
    return sorted(found, key=lambda group: (group.verdict, -group.bytes - group.hanging_bytes, group.example))


def _alike(verdict: NDArray[np.uint8], size: NDArray[np.uint64], kind: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return a number for each block that is the same for those of one verdict, size and kind."""
    _, sizes = np.unique(size, return_inverse=True)
    kinds = np.asarray(kind, np.intp)
    alike: NDArray[np.intp] = (sizes * (int(kinds.max()) + 1) + kinds) * len(Verdict) + verdict
    return alike


def _hanging(leaks: Leaks) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return how many blocks, and bytes of chunks, hang on each block."""
    size = leaks.held.blocks.size
    indirect = np.flatnonzero(leaks.verdict == Verdict.INDIRECTLY_LOST)
    head = leaks.head[indirect]
    count = np.bincount(head, minlength=len(size)).astype(np.uint64)
    # As two halves: bincount adds floats, which hold whole numbers to 2**53 only.
    low = np.bincount(head, size[indirect] & np.uint64(0xFFFF_FFFF), len(size)).astype(np.uint64)
    high = np.bincount(head, size[indirect] >> np.uint64(32), len(size)).astype(np.uint64)
    return count, low + (high << np.uint64(32))
