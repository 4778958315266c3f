"""Long lists of structs of many types, linked through the header that they have in common: gone along at once, as each
one's tag tells what it is (a collector's list of all objects)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gdbheap.analysis.types.bases import single
from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.readings import WRONG
from gdbheap.analysis.types.tags import tag_values
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import TypedWords
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.walk import walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Blocks = NDArray[np.int32]

# Shorter lists are not worth it; so often a header's are looked for in vain.
_FEWEST = 256
_MOST_TRIES = 16
_MOST_MEMBERS = 4


class TaggedLists:
    """Follows such lists from what pointers to the header lead to. It remembers which headers have none."""

    def __init__(self, state: TypingState) -> None:
        self._state = state
        self._in_vain: Counter[int] = Counter()

    def find(self, waiting: TypedWords) -> Claims:
        """Return claims of the blocks without a type on the long lists that these words lead to."""
        state, found = self._state, []
        for header in list(state.tag_rules):
            here = waiting.at((waiting.code == header) & (waiting.offset == 0))
            if not len(here) or self._in_vain[header] >= _MOST_TRIES:
                continue
            starts, trust = distinct(here.target), int(here.trust.min())
            words = np.flatnonzero(state.layouts.of(header).codes == header)[:_MOST_MEMBERS].tolist()
            lists = [self._along(starts, header, word * state.layouts.pointer_size, trust) for word in words]
            self._in_vain[header] += not any(len(each) for each in lists)
            found += lists
        return joined(found)

    def _along(self, starts: Blocks, header: int, place: int, trust: int) -> Claims:
        state, graph = self._state, self._state.graph
        is_open = state.type < 0
        is_open[starts] = False
        edges = np.flatnonzero((graph.place == place) & (graph.offset == 0))
        following = np.full(len(state), -1, np.int32)
        following[graph.source[edges]] = graph.target[edges]
        path, before = walk(following, is_open, starts)
        if len(path) < _FEWEST:
            return joined([])
        tag, known = state.tag_rules[header]
        values = tag_values(state, tag, state.held.blocks.start[path])
        types = np.array([known.get(each, -1) for each in values.tolist()], np.int32)
        odd = np.zeros(len(path), np.bool_)
        for number in distinct(types[types >= 0]).tolist():
            here = np.flatnonzero(types == number)
            odd[here] = single(state, number, path[here]) == WRONG
        # (What no tag tells yet begins with the header all the same: the list goes on behind it.)
        kept = _before_the_first(odd, before[1:] != path[:-1]) & (types >= 0)
        path, before = path[kept], before[kept]
        places = state.held.blocks.start[before] + np.uint64(place)
        found = claims(path, types[kept], How.PART, parent=before, parent_place=places)
        found.confidence[:] = min(trust, int(Confidence.LIKELY))
        return found


def _before_the_first(bad: NDArray[np.bool_], is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which nodes of lists, one behind the other (`is_new`: the next node begins another one), have none that is
    bad before them, nor are it themselves."""
    begins = np.concatenate(([0], np.flatnonzero(is_new) + 1))
    total = np.cumsum(bad)
    earlier: NDArray[np.int64] = np.repeat((total - bad)[begins], np.diff(np.append(begins, len(bad))))
    found: NDArray[np.bool_] = total == earlier
    return found
