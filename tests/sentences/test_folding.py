"""Long ways in short."""

from __future__ import annotations

import pytest

from gdbheap.sentences.folding import RepeatedSteps, fold


@pytest.mark.parametrize(
    ("keys", "runs"),
    [
        ("", []),
        ("a", [RepeatedSteps(0, 1, 1)]),
        ("aa", [RepeatedSteps(0, 1, 1), RepeatedSteps(1, 1, 1)]),
        ("aaa", [RepeatedSteps(0, 1, 3)]),
        ("xaaaay", [RepeatedSteps(0, 1, 1), RepeatedSteps(1, 1, 4), RepeatedSteps(5, 1, 1)]),
        ("abababx", [RepeatedSteps(0, 2, 3), RepeatedSteps(6, 1, 1)]),
        ("abcabcabcabc", [RepeatedSteps(0, 3, 4)]),
        ("aaaaaa", [RepeatedSteps(0, 1, 6)]),
        ("abab", [RepeatedSteps(0, 1, 1), RepeatedSteps(1, 1, 1), RepeatedSteps(2, 1, 1), RepeatedSteps(3, 1, 1)]),
    ],
)
def test_steps_that_repeat_three_times_are_one_run(keys, runs):
    assert fold(keys) == runs


def test_a_way_of_a_million_steps_is_told_in_three():
    assert fold(["root", *["next"] * 1_000_000, "block"]) == [
        RepeatedSteps(0, 1, 1),
        RepeatedSteps(1, 1, 1_000_000),
        RepeatedSteps(1_000_001, 1, 1),
    ]
