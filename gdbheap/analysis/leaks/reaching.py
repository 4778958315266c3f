"""Going on from what is held to all that it leads to: over pointers to starts, those that heuristics accept, and
encoded ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gdbheap.analysis.leaks.encoded import ROOT, Encoded
from gdbheap.analysis.leaks.interior import InteriorPointers
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.graph import PointerEdges
from gdbheap.analysis.pointers.reach import UNSEEN, spread
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Accept = Callable[[InteriorPointers], "NDArray[np.bool_]"]


def edges(graph: PointerEdges, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return graph.source[chosen], graph.target[chosen]


def reach(graph: Adjacency, seeds: NDArray[np.int32], owner: NDArray[np.int32]) -> None:
    """Mark (with owner 0) all that can be reached from the seeds, themselves included."""
    # (np.unique would sort or hash a million seeds; a mark for each block is far cheaper.)
    marked = np.zeros(len(owner), np.bool_)
    marked[seeds] = True
    fresh = np.flatnonzero(marked & (owner == UNSEEN)).astype(np.int32)
    owner[fresh] = 0
    spread(graph, fresh, owner)


def reach_encoded(
    graph: PointerEdges, encoded: tuple[Encoded, ...], lost: NDArray[np.bool_], owner: NDArray[np.int32]
) -> tuple[Encoded, ...]:
    """Go on over encoded pointers, and over those that are none, to what roots and blocks that are held reach by
    them; return the words that take part: what lies in a block that is lost after all holds nothing."""
    if not encoded:
        return ()
    source, target = (np.concatenate([getattr(each, name) for each in encoded]) for name in ("source", "target"))
    from_held = source == ROOT
    from_held[~from_held] = ~lost[source[~from_held]]
    among = lost[graph.source] & lost[graph.target]
    onward = Adjacency.unsorted(
        len(owner),
        np.concatenate((graph.source[among], source[~from_held])),
        np.concatenate((graph.target[among], target[~from_held])),
    )
    reach(onward, target[from_held], owner)
    # (ROOT is an index from the end: whatever it gives is not looked at.)
    used = (each.only((each.source == ROOT) | (owner[each.source] != UNSEEN)) for each in encoded)
    return tuple(each for each in used if len(each.target))


def reach_by_heuristic(
    graph: PointerEdges,
    target: NDArray[np.int32],
    offset: NDArray[np.uint32],
    owner: NDArray[np.int32],
    accepted: Accept,
) -> None:
    """Go on, over interior pointers that a heuristic accepts, to what no chain of pointers to starts has reached."""
    open_roots = (owner[target] == UNSEEN) & (offset != 0)
    open_edges = (owner[graph.target] == UNSEEN) & (graph.offset != 0) & (graph.source != graph.target)
    if not (open_roots.any() or open_edges.any()):
        return
    seeds = target[open_roots]
    seeds = seeds[accepted(InteriorPointers(seeds, offset[open_roots]))]
    good = (owner[graph.target] == UNSEEN) & (graph.offset == 0)
    places = np.flatnonzero(open_edges)
    good[places[accepted(InteriorPointers(graph.target[places], graph.offset[places]))]] = True
    source, onward = edges(graph, good)
    from_reached = owner[source] != UNSEEN
    reach(Adjacency(len(owner), source, onward), np.concatenate((seeds, onward[from_reached])), owner)
