"""Heaps broken as exploits break them: `heap check` blames the words that the program has overwritten, no others."""

from __future__ import annotations

import pytest

from support.gdb_runs import ask_in_turn
from support.programs import build

CASES = (
    *("tcache_link", "unsorted_bk", "unsorted_fd", "unsorted_size_and_bk", "unsorted_larger", "unsorted_smaller"),
    *("small_larger", "small_smaller", "large_larger", "large_smaller", "footer", "small_bk", "large_bk_nextsize"),
    *("top_size", "cleared_prev_inuse", "mmapped_size"),
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    directory = tmp_path_factory.getbasetemp()
    turns = {case: ["tbreak broken", f"run {case} > {directory / case}"] for case in CASES}
    answers = ask_in_turn(build("techniques", "-fno-builtin"), turns, ["heap check"])
    return {
        case: ({int(each, 16) for each in (directory / case).read_text().split()}, answers[case]["heap check"])
        for case in CASES
    }


@pytest.mark.parametrize("case", CASES)
def test_the_words_that_were_overwritten_are_blamed(case, found):
    written, answer = found[case]
    assert {int(row["where"], 16) for row in answer["rows"]} <= written, answer["rows"]
    assert answer["rows"], answer
