"""heap search on a real process: hits are named by chunk, symbol and local variable."""

from __future__ import annotations

from leak_oracles import stopped


def test_a_pointer_is_found_in_the_variable_that_holds_it_and_nowhere_else():
    command = "heap search ((struct node *)held_list)->left"
    _, answers = stopped("leaks", commands=(command, "heap owners held_list"), get_there=("up 2",))
    (row,) = answers[command]["rows"]
    (holder,) = answers["heap owners held_list"]["rows"]
    assert (row["state"], row["offset"]) == ("in_use", 0)
    assert holder["holder"] == "held_list in leaks"


def test_a_text_is_found_in_the_chunk_that_it_lies_in():
    command = 'heap search "the short string optimisation" --in-use'
    _, answers = stopped("leaks_cxx", commands=(command, "heap leaks --kind all --blocks"))
    rows = answers[command]["rows"]
    # Each of the 2 strings, 2 vectors of 8, 2 maps of 20, and the texts of 2 objects holds one.
    assert len(rows) == 2 * (1 + 8 + 20 + 1)
    blocks = {row["example"] for row in answers["heap leaks --kind all --blocks"]["rows"]}
    assert {row["mem"] for row in rows} <= blocks
    assert {row["offset"] for row in rows} == {len("a text that is too long for ")}


def test_pointers_into_a_range_are_found():
    command = "heap search 0x0-0x10 --width 1 --count 3"
    _text, answers = stopped("leaks", commands=(command,))
    assert answers[command]["notes"] == ["more than 16,384: only the first are given"]
