"""Who is told as the owner of what several variables lead to."""

from __future__ import annotations

import pytest

from gdbheap.analysis.retained.root_groups import GLOBAL, Span
from gdbheap.analysis.retained.shared import shared_groups
from support.retained_graphs import DATA_AT, held

ONE, OTHER = DATA_AT, DATA_AT + 8
Edges = list[tuple[int, int]]
# A table (block 0) of ten entries, each of which points back to it.
TABLE = [edge for entry in range(1, 11) for edge in ((0, entry), (entry, 0))]


def owner(
    count: int, words: dict[int, int], edges: Edges, inside: dict[int, int] | None = None, spans: tuple[Span, ...] = ()
) -> int | None:
    """Return where the owner's word lies of what is shared most; None for no owner."""
    found = held(count, words, edges, inside, spans)
    group = shared_groups(found, found.root)[0]
    assert len(group.holders) == 2
    return None if group.owner is None else found.groups[group.owner - found.blocks].start


@pytest.mark.parametrize("entry", range(1, 11))
def test_the_table_is_the_variables_that_points_to_it_not_of_one_that_points_to_an_entry(entry):
    assert owner(11, {ONE: entry, OTHER: 0}, TABLE) == OTHER


def test_what_refers_back_over_a_block_of_its_own_is_no_owner():
    # A client (11) of the variable's own points to the table as well.
    assert owner(12, {ONE: 11, OTHER: 0}, [*TABLE, (11, 0)]) == OTHER


def test_who_points_to_the_start_goes_before_who_points_into_the_middle():
    assert owner(11, {ONE: 0, OTHER: 0}, TABLE, {ONE: 0x180}) == OTHER
    assert owner(11, {ONE: 0, OTHER: 0}, TABLE, {OTHER: 0x180}) == ONE


def test_of_two_words_with_the_same_pointer_the_named_one_is_told_then_the_first():
    assert owner(11, {ONE: 0, OTHER: 0}, TABLE) == ONE
    assert owner(11, {ONE: 0, OTHER: 0}, TABLE, spans=(Span(OTHER, OTHER + 8, GLOBAL, "table"),)) == OTHER


def test_where_both_are_as_near_there_is_no_owner():
    assert owner(3, {ONE: 0, OTHER: 1}, [(0, 2), (1, 2)]) is None


def test_a_ring_is_one_group_that_all_who_lead_into_it_share():
    ring = [(node, (node + 1) % 20) for node in range(20)]
    words = {ONE: 0, OTHER: 3, OTHER + 8: 17}
    found = held(20, words, ring)
    (group,) = shared_groups(found, found.root)
    assert (len(group.holders), group.count, group.owner) == (3, 20, None)


@pytest.mark.parametrize("cursor", [3, 10, 17])
def test_a_list_is_the_variables_that_has_its_beginning_wherever_a_cursor_is(cursor):
    assert owner(20, {ONE: cursor, OTHER: 0}, [(node, node + 1) for node in range(19)]) == OTHER


def test_what_does_not_hang_together_is_told_apart():
    # Two tables, each with entries of its own, that both variables lead to.
    entries = [(table, entry) for table, first in ((2, 4), (3, 9)) for entry in range(first, first + 5)]
    found = held(14, {ONE: 0, OTHER: 1}, [(0, 2), (0, 3), (1, 2), (1, 3), *entries])
    assert sorted(group.count for group in shared_groups(found, found.root)) == [6, 6]
