"""What void * members hold, by what the same member holds elsewhere."""

from __future__ import annotations

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence
from gdbheap.analysis.types.slots import VOID
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import NO_SLOT, words_of
from gdbheap.lazy import np

# So many blocks of one type must hang on a member, among them no others of that size.
_FEWEST = 3


def brothers(state: TypingState) -> Claims:
    """Return claims of the blocks that void * members lead to, where all others of that size that the same member
    leads to are of one type."""
    words = words_of(state, np.flatnonzero((state.type >= 0)[state.graph.source]))
    words = words.at((words.code == VOID) & (words.offset == 0) & (words.slot != NO_SLOT))
    types, room = state.type[words.target], state.room[words.target]
    known = (types >= 0) & state.whole[words.target] & (state.count[words.target] == 0)
    keys = np.stack((words.slot, room))
    seen, count = np.unique(
        np.concatenate((keys[:, known], types[known][None, :].astype(np.int64))),
        axis=1,
        return_counts=True,
    )
    _, first, kinds = np.unique(seen[:2], axis=1, return_index=True, return_counts=True)
    found = []
    for at in first[(kinds == 1) & (count[first] >= _FEWEST)].tolist():
        slot, size, number = seen[:, at].tolist()
        here = np.flatnonzero((words.slot == slot) & (room == size) & (types < 0))
        here = here[np.unique(words.target[here], return_index=True)[1]]
        chosen = words.at(here)
        chosen = chosen.at(evidence(state, number, chosen.target)[1] == 0)
        found.append(
            claims(
                chosen.target,
                number,
                How.SIBLING_ROLE,
                Confidence.LIKELY,
                parent=chosen.parent,
                parent_place=chosen.place,
            )
        )
    return joined(found)
