"""Claims that another of the same round speaks against: its member, if it is right, makes the block something else."""

from __future__ import annotations

from gdbheap.analysis.types.claims import Claims
from gdbheap.analysis.types.typing_state import TypingState
from gdbheap.analysis.types.words import slots_at
from gdbheap.lazy import np
from gdbheap.process.columns.distinct import codes_of, firsts_of
from gdbheap.types.catalogue import NONE, TypeKind


def undisputed(state: TypingState, found: Claims) -> Claims:
    """Return the claims but for those of blocks that a member of another claimed block leads to, and says to be of
    another type: what holds a block knows it better than what it looks like, and tells its type in the next step."""
    claimed = np.full(len(state), NONE, np.int32)
    claimed[found.block] = np.where(found.count > 0, NONE, found.type)
    edges = state.edges_of(found.block)
    graph = state.graph
    source, target = graph.source[edges], graph.target[edges]
    between = (claimed[source] != NONE) & (claimed[target] != NONE) & (source != target) & (graph.offset[edges] == 0)
    edges, source, target = edges[between], source[between], target[between]
    if not len(edges):
        return found
    alone, whole = np.zeros(len(edges), np.bool_), np.ones(len(edges), np.bool_)
    _, code = slots_at(state, claimed[source], graph.place[edges].astype(np.int64), alone, whole)
    differs = np.flatnonzero((code >= 0) & (code != claimed[target]))
    disputed = np.zeros(len(state), np.bool_)
    which = codes_of(code[differs], claimed[target[differs]])
    first = differs[firsts_of(which)]
    for index, (led_to, number) in enumerate(zip(code[first].tolist(), claimed[target[first]].tolist())):
        is_struct = state.book.info(led_to).kind in (TypeKind.STRUCT, TypeKind.UNION)
        if is_struct and not state.embedded.begins_with(number, led_to):
            disputed[target[differs[which == index]]] = True
    return found.at(~disputed[found.block]) if disputed.any() else found
