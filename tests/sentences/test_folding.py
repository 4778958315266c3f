"""Long ways in short."""

from __future__ import annotations

import pytest

from gdbheap.sentences.folding import Run, fold


@pytest.mark.parametrize(
    ("keys", "runs"),
    [
        ("", []),
        ("a", [Run(0, 1, 1)]),
        ("aa", [Run(0, 1, 1), Run(1, 1, 1)]),
        ("aaa", [Run(0, 1, 3)]),
        ("xaaaay", [Run(0, 1, 1), Run(1, 1, 4), Run(5, 1, 1)]),
        ("abababx", [Run(0, 2, 3), Run(6, 1, 1)]),
        ("abcabcabcabc", [Run(0, 3, 4)]),
        ("aaaaaa", [Run(0, 1, 6)]),
        ("abab", [Run(0, 1, 1), Run(1, 1, 1), Run(2, 1, 1), Run(3, 1, 1)]),
    ],
)
def test_steps_that_repeat_three_times_are_one_run(keys, runs):
    assert fold(keys) == runs


def test_a_way_of_a_million_steps_is_told_in_three():
    assert fold(["root", *["next"] * 1_000_000, "block"]) == [Run(0, 1, 1), Run(1, 1, 1_000_000), Run(1_000_001, 1, 1)]
