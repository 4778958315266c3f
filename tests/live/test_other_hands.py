"""Deaths of programs from another hand than the galleries': what `fault` says of each, against what the program wrote
before it died."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from support.gdb_runs import ask_in_turn
from support.programs import build

# The verdict that tells how it came about, and how sure that is. (By what the environment holds, free aborts, or dies
# where a heap would begin.)
VERDICTS = {
    "freed_variable": ("invalid_free|malloc_abort", "certain"),
    "freed_in_turn": ("malloc_abort", "certain"),
    "text_into_link": ("malloc_abort|heap_corruption", "certain"),
    "large_frame": ("stack_overflow", "likely"),
    "tag_left": ("tagged_pointer", "likely"),
    "coroutine_in_bss": ("thread_stack_overflow", "certain"),
    "coroutine_in_thread": ("thread_stack_overflow", "certain"),
    "unmapped_by_hand": ("freed_mmapped_chunk", "possible"),
    "given_back": ("malloc_abort", "certain"),
    "jumped_to_null": ("jump_to_null", "certain"),
    "text_as_pointer": ("non_canonical", "certain"),
    "merged_since": ("malloc_abort", "certain"),
}


@functools.cache
def deaths(directory: Path):
    turns = {case: [f"run {case} > {directory / case} 2>&1"] for case in VERDICTS}
    return ask_in_turn(build("other_hands", "-O2"), turns, ["fault"])


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    directory = tmp_path_factory.getbasetemp()
    answers = deaths(directory)
    written = {case: (directory / case).read_text().split() for case in VERDICTS}
    return {case: (int((written[case] or ["0"])[0], 16), answers[case]["fault"]) for case in VERDICTS}


@pytest.mark.parametrize("case", VERDICTS)
def test_a_death_is_told_as_what_it_is(case, told):
    name, sure = VERDICTS[case]
    rows = told[case][1]["rows"]
    found = next(row for row in rows if row["verdict"] in name.split("|"))
    assert found["confidence"] == sure, rows
    assert found is rows[0] or sure == "possible", rows


def test_a_variable_of_the_environment_that_free_is_given_is_named(told):
    pointer, fault = told["freed_variable"]
    row = str(fault["rows"][0])
    assert f"{pointer:#x} lies outside every heap (main stack" in row or "pointer_not_found" in row


def test_the_main_thread_is_not_taken_for_the_one_that_died(told):
    """(Its number is the process's, too, which is a part of every thread's.)"""
    _, fault = told["freed_in_turn"]
    assert "thread 1 (" not in str(fault["notes"])


def test_a_run_over_a_block_and_the_next_ones_link_is_the_cause_of_a_wrong_head(told):
    row, fault = told["text_into_link"]
    first = str(fault["rows"][0])
    assert f"mem {row:#x} of 0x28 usable bytes, was written 9 bytes past its end" in first


@pytest.mark.parametrize("case", ["coroutine_in_bss", "coroutine_in_thread"])
def test_a_coroutines_stack_is_not_its_threads(case, told):
    """How deep it is nobody knows: where that stack ends is not known; and what the program's file brought to the
    memory below is no guard."""
    first = told[case][1]["rows"][0]
    assert "which is not its own (a coroutine's?), is used up" in first["summary"]
    assert " in the guard" not in first["summary"]
    assert any("deeper calls itself, " in each for each in first["evidence"]), first


def test_a_tag_is_told_with_the_block(told):
    block, fault = told["tag_left"]
    assert "0xfff8" in str(fault["rows"][0])
    assert f"heap chunk {block:#x}" in fault["rows"][0]["next"]


def test_a_block_that_no_free_has_unmapped_is_none_that_realloc_moved(told):
    row = next(each for each in told["unmapped_by_hand"][1]["rows"] if each["verdict"] == "freed_mmapped_chunk")
    assert "realloc" not in str(row)


def test_a_pointer_that_lay_in_a_frame_which_was_given_back_is_the_right_one_or_none(told):
    pointer, fault = told["given_back"]
    first = fault["rows"][0]["summary"]
    assert (
        f"a pointer that malloc did not return: {pointer:#x} lies outside every heap" in first or "not known" in first
    )


def test_a_jump_to_null_is_not_taken_for_a_return(told):
    rows = told["jumped_to_null"][1]["rows"]
    assert "by a jump (a tail call), or by a return to an overwritten address" in rows[0]["summary"]
    assert "return_address_overwritten" not in [row["verdict"] for row in rows]


def test_the_end_of_the_block_before_is_no_field_of_mallocs(told):
    assert "chunk_metadata" not in [row["verdict"] for row in told["text_as_pointer"][1]["rows"]]


def test_a_block_that_was_merged_before_its_second_free_may_be_one(told):
    block, fault = told["merged_since"]
    first = fault["rows"][0]["summary"]
    assert f"a pointer that is the start of no block: {block:#x} points 0x510 bytes into the block " in first
    assert "in front of it may be left of a block that began there and was freed before" in first
