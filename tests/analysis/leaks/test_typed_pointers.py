"""What types say of pointers: which verdicts they change, and that they change none where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.leaks import LeakKind, judge
from gdbheap.analysis.leaks.typed_pointers import as_typed
from gdbheap.analysis.pointers.graph import PointerEdges, Pointers
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import Roots
from gdbheap.analysis.types.block_types import no_types

FIRST, SECOND = 0, 1


def held(offset: int) -> PointerGraph:
    """A root leads to the first block, whose one word leads to the second, at this offset."""
    start = np.array([0x1000, 0x1100], np.uint64)
    size = np.full(2, 0x100, np.uint64)
    edge = PointerEdges(
        np.array([FIRST], np.int32),
        np.array([8], np.uint32),
        np.array([SECOND], np.int32),
        np.array([offset], np.uint32),
        np.zeros((2, 2), np.uint64),
        0,
    )
    roots = Pointers(np.array([0x10], np.uint64), np.array([FIRST], np.int32), np.array([0], np.uint32))
    blocks = Blocks(start, start + size - np.uint64(8), size, np.arange(2))
    return PointerGraph(blocks, edge, Roots((), ()), roots, (), 0, False, np.empty(0, np.int32))


def verdict(graph: PointerGraph, **columns) -> LeakKind:
    """Return the second block's verdict."""
    types = replace(no_types(graph.blocks.start, 1), **columns)
    nothing = np.zeros(2, np.bool_)
    leaks = judge(as_typed(graph, types), lambda pointers: np.zeros(len(pointers.target), np.bool_), nothing)
    return LeakKind(leaks.verdict[SECOND])


def test_a_pointer_member_holds_a_block_by_its_inside():
    assert verdict(held(3)) is LeakKind.POSSIBLY_LOST
    assert verdict(held(3), firm=np.array([True])) is LeakKind.STILL_REACHABLE


def test_a_word_where_the_type_has_nothing_holds_nothing():
    assert verdict(held(0)) is LeakKind.STILL_REACHABLE
    assert verdict(held(0), dead=np.array([True])) is LeakKind.DEFINITELY_LOST
