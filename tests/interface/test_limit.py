"""How many rows are shown, and what is said of the others."""

from __future__ import annotations

import pytest

from gdbheap.interface.limit import first_of, left_out, limit_of


class Settings:
    def setting(self, name):
        return {"limit": 30}[name]


@pytest.mark.parametrize(("asked", "wanted"), [(None, 30), (5, 5), (0, 0)])
def test_what_was_asked_for_goes_before_the_setting(asked, wanted):
    assert limit_of(Settings(), {"count": asked}) == wanted


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
