"""Small graphs of blocks and root words, as heap retained sees them."""

from __future__ import annotations

import numpy as np

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.pointers.graph import PointerEdges, Pointers
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import DATA, MAPPING, STACK, RootRange, Roots
from gdbheap.analysis.retained.retained import Retained, retain
from gdbheap.analysis.retained.root_groups import RootGroups, Span
from gdbheap.analysis.types.block_types import no_types

DATA_AT, MAPPING_AT, ONE_AT, TWO_AT, C_LIBRARY_AT = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000


def held(
    count: int,
    words: dict[int, int],
    edges: list[tuple[int, int]],
    inside: dict[int, int] | None = None,
    spans: tuple[Span, ...] = (),
) -> Retained:
    """Return what is retained of blocks of 1,024 bytes, by words {address: block} and edges from block to block;
    `inside` has how far into their blocks words lead that do not lead to their starts."""
    start = np.arange(count, dtype=np.uint64) * np.uint64(1024) + np.uint64(0x10000)
    blocks = Blocks(start, start + np.uint64(1016), np.full(count, 1024, np.uint64), np.arange(count))
    source, target = (np.array([edge[end] for edge in sorted(edges)], np.int32) for end in (0, 1))
    nothing = np.zeros(len(edges), np.uint32)
    graph = PointerEdges(source, nothing, target, nothing, np.zeros((count, 2), np.uint64), 0)
    place = sorted(words)
    roots = Pointers(
        np.array(place, np.uint64),
        np.array([words[each] for each in place], np.int32),
        np.array([(inside or {}).get(each, 0) for each in place], np.uint32),
    )
    ranges = (
        RootRange(DATA_AT, DATA_AT + 0x100, DATA, "program"),
        RootRange(MAPPING_AT, MAPPING_AT + 0x100, MAPPING, ""),
        RootRange(ONE_AT, ONE_AT + 0x100, STACK, "thread 1", 1),
        RootRange(TWO_AT, TWO_AT + 0x100, STACK, "thread 2", 2),
        RootRange(C_LIBRARY_AT, C_LIBRARY_AT + 0x100, DATA, "/lib/libc.so.6"),
    )
    pointers = PointerGraph(blocks, graph, Roots(ranges, ()), roots, (), 0, False, np.empty(0, np.int32))
    return retain(pointers, RootGroups(pointers, spans), no_types(start, len(edges), len(place)))
