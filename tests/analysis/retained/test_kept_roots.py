"""What counts as a holder: no stale word on a stack, in a mapping or in a block that only such hold robs a variable."""

from __future__ import annotations

from gdbheap.analysis.retained.retained import Retained
from support.retained_graphs import C_LIBRARY_AT, DATA_AT, MAPPING_AT, ONE_AT, TWO_AT, held


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


def test_the_c_librarys_own_words_rob_the_program_of_nothing_and_hold_the_rest():
    chain = [(node, node + 1) for node in range(8)]
    found = held(11, {DATA_AT: 0, C_LIBRARY_AT: 4, C_LIBRARY_AT + 8: 9}, [*chain, (9, 6), (9, 10)])
    assert retained_by(found) == {DATA_AT: 9, C_LIBRARY_AT + 8: 2}
