"""Blocks that void * members of one container lead to (a list, a hash table: all nodes that hang on one object): where
all others that are known there are of one type, so are those that go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import Confidence, How
from gdbheap.analysis.types.brothers import void_words
from gdbheap.analysis.types.claims import Claims, claims, joined
from gdbheap.analysis.types.evidence import evidence, oddities
from gdbheap.analysis.types.explained import explained
from gdbheap.analysis.types.fits import fits
from gdbheap.analysis.types.readings import container_signs
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, first_of_each
from gdbheap.types.catalogue import TypeKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many blocks must be known in a container, and no more than one unknown for so many known.
_FEWEST, _PART = 16, 2
# A chain of as many nodes as two to this power is gone through.
_STEPS = 24


def one_container(state: TypingState) -> Claims:
    """Return claims of the blocks that are not known yet."""
    words = void_words(state)
    words = words.at(words.parent >= 0)
    if not len(words):
        return joined([])
    owner = _owners(state)[words.parent]
    which = codes_of(words.slot, owner)
    types = np.where(state.part[words.target] == 0, state.type[words.target], -1)
    named, groups = types >= 0, int(which.max()) + 1
    known = np.bincount(which, named, groups)
    low, high = np.full(groups, np.iinfo(np.int32).max), np.full(groups, -1)
    np.minimum.at(low, which[named], types[named])
    np.maximum.at(high, which[named], types[named])
    unknown = np.bincount(which, state.type[words.target] < 0, groups)
    good = (low == high) & (known >= _FEWEST) & (unknown > 0) & (unknown * _PART <= known)
    found = []
    for group in np.flatnonzero(good).tolist():
        here = words.at((which == group) & (state.type[words.target] < 0))
        here = here.at(first_of_each(here.target, len(state)))
        here = here.at(_goes_with(state, int(high[group]), here.target))
        claimed = claims(here.target, int(high[group]), How.SIBLING_ROLE, parent=here.parent, parent_place=here.place)
        claimed.confidence[:] = Confidence.LIKELY
        found.append(claimed)
    return joined(found)


def _owners(state: TypingState) -> NDArray[np.int64]:
    """Return for each block what it hangs on: the nearest block on its way from a variable that is of another type and
    no array; itself where there is none."""
    own = np.arange(len(state))
    parent = np.where(state.parent >= 0, state.parent, own)
    # (An array belongs to who holds it, a node to the one before it.)
    is_node = (state.type[parent] == state.type) | (state.count > 0)
    up = np.where(is_node, parent, own)
    for _ in range(_STEPS):
        further = up[up]
        if (further == up).all():
            break
        up = further
    above = parent[up]
    array = state.count[above] > 0
    found: NDArray[np.int64] = np.where(array, parent[up[above]], above).astype(np.int64)
    return found


def _goes_with(state: TypingState, number: int, blocks: NDArray[np.int32]) -> NDArray[np.bool_]:
    info = state.book.info(number)
    if info.kind is not TypeKind.STRUCT:
        return np.zeros(len(blocks), np.bool_)
    exact = fits(state.room[blocks], info.size, state.layouts.overhead)
    bad = evidence(state, number, blocks)[1] + oddities(state, number, blocks)
    bad += container_signs(state, number, blocks) < 0
    found: NDArray[np.bool_] = exact & (bad == 0) & explained(state, number, blocks)
    return found
