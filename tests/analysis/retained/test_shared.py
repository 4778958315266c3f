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
