"""`fault` on deaths that it once took for others (mistaken.cc): what it says for sure is so, and what is only likely
says so."""

from __future__ import annotations

import json

import pytest

from support.gdb_runs import ROOT, run_gdb
from support.programs import SOURCES, build

CASES = (
    *("header_of_mapped_block", "start_of_mapping", "inside_mapping", "zeros_below", "sixteen_letters"),
    *("number_over_link", "one_nul_too_many", "coroutine_in_guard", "gives_up_in_handler", "nested_exception"),
    *("percent_n", "large_descriptor", "raised"),
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Let every case die in one gdb; return the rows of `fault` by case."""
    place = tmp_path_factory.mktemp("mistaken")
    program = build("mistaken", "-O0", "-w")
    words = ["gdb", "-nx", "-q", "-batch", "-iex", "set confirm off", "-ex", f"source {ROOT / 'gdb_init.py'}"]
    lines = [f"file {program}"]
    for case in CASES:
        lines += [f"run {case}", f"fault --json --output {place / case}"]
    for line in lines:
        words += ["-ex", line]
    text = run_gdb(words, patience=400)
    found = {case: (place / case).read_text() if (place / case).exists() else "" for case in CASES}
    assert all(found.values()), text
    return {case: json.loads(each)["rows"] for case, each in found.items()}


def named(rows, name):
    return next((row for row in rows if row["verdict"] == name), None)


def test_every_case_is_tried():
    source = (SOURCES / "mistaken.cc").read_text()
    assert source.count('    {"') == len(CASES)
    assert all(f"static void {case}()" in source for case in CASES)


def test_a_mapped_block_whose_header_was_overwritten_is_no_wrong_pointer(answers):
    rows = answers["header_of_mapped_block"]
    assert "invalid_free" not in [row["verdict"] for row in rows if row["confidence"] != "possible"]
    assert "malloc did not return" not in rows[0]["summary"]
    assert rows[0]["verdict"] == "malloc_abort" or "size at 0x" in rows[0]["summary"]
    assert "is 0x7777777777777777, must be 0x10" in "\n".join(rows[0]["evidence"])


def test_the_start_of_a_mapping_is_no_block(answers):
    first = answers["start_of_mapping"][0]
    assert (first["verdict"], first["confidence"]) == ("invalid_free", "certain")
    assert "malloc did not return" in first["summary"]
    assert "lies outside every heap" in first["summary"]


def test_an_old_pointer_on_the_stack_is_not_taken_for_what_was_freed(answers):
    rows = answers["inside_mapping"]
    assert rows[0]["verdict"] == "malloc_abort"
    text = "\n".join(line for row in rows for line in (row["summary"], *row["evidence"]))
    assert "lies in top" not in text
    assert "double free" not in rows[0]["summary"]


def test_zeros_over_a_header_are_nobodys_for_sure(answers):
    for row in answers["zeros_below"]:
        assert "a write past a block's end" not in row["summary"] or "probably a write past" in row["summary"]


def test_a_zero_behind_letters_is_no_nul_of_theirs(answers):
    first = answers["sixteen_letters"][0]
    text = "\n".join((first["summary"], *first["evidence"]))
    assert "was written at least 16 bytes past its end" in text
    assert "and its NUL" not in text


@pytest.mark.parametrize("case", ["number_over_link", "one_nul_too_many"])
def test_a_crash_at_what_malloc_computes_from_a_broken_field_is_told_by_that_field(answers, case):
    first = answers[case][0]
    assert (first["verdict"], first["confidence"]) == ("heap_corruption", "certain")
    assert "is overwritten" in first["summary"]


def test_a_coroutine_does_not_use_up_its_threads_stack(answers):
    rows = answers["coroutine_in_guard"]
    assert rows[0]["verdict"] == "thread_stack_overflow"
    assert rows[0]["summary"].startswith("the stack that thread 1 was on, which is not its own")


def test_an_exception_that_was_caught_is_not_called_uncaught(answers):
    rows = answers["gives_up_in_handler"]
    assert named(rows, "uncaught_exception") is None
    assert "std::terminate" in rows[0]["summary"]
    assert "std::invalid_argument: 'given up'" in rows[0]["summary"]


def test_the_exception_inside_an_exception_is_told(answers):
    row = named(answers["nested_exception"], "uncaught_exception")
    assert row["summary"].endswith("std::_Nested_exception<std::runtime_error>: 'outer failed'")
    assert "nested inside it is std::logic_error: 'inner cause'" in row["evidence"]


def test_a_checked_function_that_refused_a_call_is_no_overflow(answers):
    first = answers["percent_n"][0]
    assert (first["verdict"], first["confidence"]) == ("fortify_overflow", "certain")
    assert "past its destination" not in first["summary"]
    assert "%n" in first["summary"]
    first = answers["large_descriptor"][0]
    assert first["verdict"] == "fortify_overflow"
    # glibc has a text of its own for it, or not yet.
    assert ("fd_set" in first["summary"]) == any("fd_set" in each for each in first["evidence"])


def test_a_signal_that_a_program_sends_itself_is_no_call_of_abort(answers):
    assert answers["raised"][0]["summary"] == "the program sent itself SIGABRT, without abort()"
