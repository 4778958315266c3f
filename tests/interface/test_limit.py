"""How many rows are shown, and what is said of the others."""

from __future__ import annotations

import pytest

from gdbheap.interface.command import Argument, Command
from gdbheap.interface.limit import count_argument, first_of, left_out, limit_of, limited, rows_wanted
from gdbheap.report.report import Column, Report, Table


class Settings:
    def setting(self, name):
        return {"limit": 30}[name]


@pytest.mark.parametrize(("asked", "wanted"), [(None, 30), (5, 5), (0, 0)])
def test_what_was_asked_for_goes_before_the_setting(asked, wanted):
    assert limit_of(Settings(), {"count": asked}) == wanted


@pytest.mark.parametrize(("count", "wanted", "left"), [(None, [1, 2, 3], 0), (0, [1, 2, 3], 0), (2, [1, 2], 1)])
def test_a_program_has_as_many_rows_as_it_asked_for_and_is_told_of_the_others(count, wanted, left):
    table = limited(Report("x", (Table((Column("n"),), [1, 2, 3]),)), count).table
    assert (list(table.rows), table.left_out) == (wanted, left)


def test_an_answer_may_choose_the_rows_that_stand_for_all():
    table = Table((Column("n"),), [1, 2, 3], sample=lambda count: [3, 2, 1][:count])
    table = limited(Report("x", (table,)), 1).table
    assert (table.rows, table.left_out) == ([3], 2)


def test_a_count_with_a_default_is_the_commands_own():
    def command(argument):
        return Command("x", "X.", lambda *_: None, arguments=(argument,))

    assert rows_wanted(command(count_argument()), {"count": 5}) == 5
    assert rows_wanted(command(Argument("--count", "count", "Chunks.", default=10)), {"count": 10}) is None


@pytest.mark.parametrize(("limit", "wanted"), [(2, "ab"), (0, "abc"), (None, "abc"), (9, "abc")])
def test_no_limit_shows_all(limit, wanted):
    assert first_of("abc", limit) == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (left_out(1, "chunk"), "… 1 more chunk: --count 0 shows all"),
        (left_out(1200, "chunk"), "… 1,200 more chunks: --count 0 shows all"),
        (left_out(1200, ""), "… 1,200 more: --count 0 shows all"),
        (left_out(2, "group", "of 4 KiB"), "… 2 more groups of 4 KiB: --count 0 shows all"),
        (left_out(2, "row", also=", -s the totals"), "… 2 more rows: --count 0 shows all, -s the totals"),
    ],
    ids=range(5),
)
def test_one_line_stands_for_the_others(line, wanted):
    assert "".join(text for _, text in line.pieces) == wanted
