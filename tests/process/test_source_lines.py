"""Lines of source: those that are there, and numbers and files that debug information may make up."""

from __future__ import annotations

import pytest

from gdbheap.process.source_lines import source_lines


@pytest.fixture
def source(tmp_path) -> str:
    path = tmp_path / "a.c"
    path.write_text("one\n  two\nthree")
    return str(path)


@pytest.mark.parametrize(
    ("first", "count", "lines"),
    [
        (1, 1, ["one"]),
        (2, 5, ["two", "three"]),
        (4, 1, []),
        (0, 2, []),
        (-5, 2, []),
        ((1 << 63) - 1, 4, []),
        (1 << 70, 1, []),
    ],
)
def test_lines_are_those_of_the_file(source, first, count, lines):
    assert source_lines(source, first, count) == lines


def test_what_cannot_be_read_has_none(tmp_path):
    assert source_lines(str(tmp_path / "none"), 1, 1) == []
    assert source_lines("/dev/zero", 1, 1) == []
