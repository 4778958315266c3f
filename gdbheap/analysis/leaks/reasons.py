"""Which heuristics hold the blocks that are still reachable by heuristics alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.interior import InteriorPointers
from gdbheap.lazy import dataclass, np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reason:
    """A heuristic takes pointers to the inside of `blocks` blocks, at these `offsets` (the most frequent first), for
    pointers to their starts."""

    heuristic: str
    blocks: int
    offsets: tuple[int, ...]


def find_reasons(
    pointers: InteriorPointers,
    by_heuristic: Mask,
    names: Iterable[str],
    accepted: Callable[[InteriorPointers, str], Mask],
) -> Iterator[Reason]:
    """Yield the reason for each heuristic that holds any of the blocks `by_heuristic`; `accepted` says what one of
    them takes."""
    open_ones = pointers.at(by_heuristic[pointers.target])
    if not len(open_ones.target):
        return
    for name in names:
        taken = open_ones.at(accepted(open_ones, name))
        if len(taken.target):
            offsets, counts = np.unique(taken.offset, return_counts=True)
            often = offsets[np.argsort(-counts, kind="stable")]
            is_held = np.zeros(len(by_heuristic), np.bool_)
            is_held[taken.target] = True
            yield Reason(name, int(np.count_nonzero(is_held)), tuple(often.tolist()))
