"""What counts as a holder: no stale word on a stack, in a mapping or in a block that only such hold robs a variable."""

from __future__ import annotations

import numpy as np

from gdbheap.analysis.pointers.blocks import Blocks
from gdbheap.analysis.pointers.graph import PointerEdges, Pointers
from gdbheap.analysis.pointers.pointer_graph import PointerGraph
from gdbheap.analysis.pointers.roots import DATA, MAPPING, STACK, RootRange, Roots
from gdbheap.analysis.retained.retained import Retained, retain
from gdbheap.analysis.retained.root_groups import RootGroups
from gdbheap.analysis.types.block_types import no_types

DATA_AT, MAPPING_AT, ONE_AT, TWO_AT = 0x1000, 0x2000, 0x3000, 0x4000


def held(count: int, words: dict[int, int], edges: list[tuple[int, int]]) -> Retained:
    """Return what is retained of blocks of 32 bytes, by words {address: block} and edges from block to block."""
    start = np.arange(count, dtype=np.uint64) * np.uint64(32) + np.uint64(0x10000)
    blocks = Blocks(start, start + np.uint64(24), np.full(count, 32, np.uint64), np.arange(count))
    source, target = (np.array([edge[end] for edge in sorted(edges)], np.int32) for end in (0, 1))
    nothing = np.zeros(len(edges), np.uint32)
    graph = PointerEdges(source, nothing, target, nothing, np.zeros((count, 2), np.uint64), 0)
    place = sorted(words)
    roots = Pointers(
        np.array(place, np.uint64),
        np.array([words[each] for each in place], np.int32),
        np.zeros(len(place), np.uint32),
    )
    ranges = (
        RootRange(DATA_AT, DATA_AT + 0x100, DATA, "program"),
        RootRange(MAPPING_AT, MAPPING_AT + 0x100, MAPPING, ""),
        RootRange(ONE_AT, ONE_AT + 0x100, STACK, "thread 1", 1),
        RootRange(TWO_AT, TWO_AT + 0x100, STACK, "thread 2", 2),
    )
    pointers = PointerGraph(blocks, graph, Roots(ranges, ()), roots, (), 0, False, np.empty(0, np.int32))
    return retain(pointers, RootGroups(pointers, ()), no_types(start, len(edges), len(place)))


def retained_by(found: Retained) -> dict[int, int]:
    """Return {where the holder begins: blocks}, of those that retain any; what is shared under 0."""
    sums = {found.groups[n].start: int(found.count[found.blocks + n]) for n in range(len(found.groups))}
    shared = int(found.count[found.root]) - sum(sums.values())
    return {start: count for start, count in {**sums, 0: shared}.items() if count}


def test_a_stale_stack_word_into_the_middle_of_a_list_robs_the_variable_of_nothing():
    chain = [(node, node + 1) for node in range(9)]
    assert retained_by(held(10, {DATA_AT: 0, ONE_AT: 4, TWO_AT: 7, MAPPING_AT: 2}, chain)) == {DATA_AT: 10}


def test_a_block_that_only_a_mapping_holds_robs_it_of_nothing_either():
    chain = [(node, node + 1) for node in range(8)]
    assert retained_by(held(10, {DATA_AT: 0, MAPPING_AT: 9}, [*chain, (9, 4)])) == {DATA_AT: 9, MAPPING_AT: 1}


def test_two_variables_share():
    assert retained_by(held(3, {DATA_AT: 0, DATA_AT + 8: 1}, [(0, 2), (1, 2)])) == {DATA_AT: 1, DATA_AT + 8: 1, 0: 1}


def test_of_one_threads_words_the_outermost_holds_and_two_threads_share():
    assert retained_by(held(2, {ONE_AT: 0, ONE_AT + 0x80: 0}, [(0, 1)])) == {ONE_AT + 0x80: 2}
    assert retained_by(held(2, {ONE_AT: 0, TWO_AT: 0}, [(0, 1)])) == {0: 2}
