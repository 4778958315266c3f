"""Who of the holders that share blocks is most likely their owner; the others are ways back to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gdbheap.analysis.retained.retained import Retained
from gdbheap.analysis.retained.root_groups import KINDS
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Who is nearest to less than this part of what the first one is has no claim.
_AS_NEAR = 0.9
# Of so many blocks it is looked up whether all holders point to them.
_FEW = 4


def likely_owner(
    retained: Retained,
    holders: tuple[int, ...],
    nodes: NDArray[np.int32],
    near_and_leading: tuple[NDArray[np.int64], NDArray[np.int64]],
    told: Sequence[int],
) -> int | None:
    """Return the holder that is nearest to most of what hangs on the `nodes`; of several that are as near the one with
    a name, the one that has the beginning of the list that goes on there, of two aliases (each points to all of it) the
    first; None where nothing tells. Bit n of the masks is that of told[n]: who is nearest, and whose list goes on."""
    nearest, leading = near_and_leading
    size = retained.bytes[nodes]
    near = {each: int(size[nearest >> told.index(each) & 1 == 1].sum()) for each in holders}
    most = max(near.values(), default=0)
    first = [each for each in holders if near[each] > most * _AS_NEAR]
    if len(first) < 2:
        return first[0] if first else None
    named = [each for each in first if _rank(retained, each)[0] == 0]
    if len(named) == 1:
        return named[0]
    first = named or first
    before = [each for each in first if leading[leading >> told.index(each) & 1 == 1].any()]
    if len(before) == 1:
        return before[0]
    return min(first, key=lambda each: _rank(retained, each)) if _are_aliases(retained, first, nodes) else None


def _rank(retained: Retained, holder: int) -> tuple[int, int, int]:
    """Return less for a holder that tells more: of a name, of a variable that is seen everywhere, the first."""
    if holder >= retained.holders:
        return 0, 0, int(retained.parts.start[holder - retained.holders])
    group = retained.groups[holder - retained.blocks]
    return int(group.span is None), KINDS.index(group.kind), group.start


def _are_aliases(retained: Retained, holders: Sequence[int], nodes: NDArray[np.int32]) -> bool:
    """Whether all of these holders point to each of these nodes with words of their own."""
    for node in nodes[:_FEW].tolist():
        own = set(retained.source[retained.target == node].tolist())
        own |= {int(retained.parts.owner[each - retained.holders]) for each in own if each >= retained.holders}
        if not own.issuperset(holders):
            return False
    return len(nodes) <= _FEW
