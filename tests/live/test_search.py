"""heap search on a real process: all that is there is found, where gdb says that it is, and named by chunk, symbol
and local variable."""

from __future__ import annotations

import json
import re

import pytest

from support.leak_oracles import stopped
from support.programs import build

# What is searched for, and where it is, as gdb's own expressions.
PLACES = {
    r'"Stra\xc3\x9fe €"': ["foreign"],
    '"€"': ["foreign+8"],
    r'"one\0two\0t"': ["with_zeros"],
    '"zyz"': ["overlapping", "overlapping+2", "overlapping+4"],
    '"zyz" --in-use': ["overlapping", "overlapping+2", "overlapping+4"],
    '"on two pages"': ["on_two_pages"],
    '"in two mappings"': ["in_two_mappings"],
    '"in a hole"': ["in_a_hole"],
    "overlapping --in-use": ["&full[2]"],
    "-12345 --width 4": ["&negative"],
    "0xbeef --width 2": ["&narrow"],
    "--hex 53 74 72 61 c3 9f": ["foreign"],
    "--hex 53747261C39F": ["foreign"],
    '--all "only ever read, and searched for"': ["read_only"],
    "0x1234567890 --unaligned --width 8": ["unaligned + 3"],
    "0x1234567880-0x1234567891 --unaligned --width 8": ["unaligned + 3"],
}


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["64", "32"])
def test_all_that_is_there_is_found_where_it_is(flags, gdb):
    program = build("searched", *flags)
    searches = {what: f"heap search {what} --json" for what in PLACES}
    places = {place: f"output/x (unsigned long)({place})" for what in PLACES for place in PLACES[what]}
    block = "heap search overlapping --in-use --json"
    there = ("set environment SEARCHED a variable of the environment", "break inspected", "run")
    around = 'heap search "a variable of the environment" --json'
    said = gdb(program, *there, *searches.values(), *places.values(), "output/x (unsigned long)full", around)
    found = {what: [row["address"] for row in json.loads(said[command])["rows"]] for what, command in searches.items()}
    expected = {what: [said[places[place]].strip() for place in where] for what, where in PLACES.items()}
    # malloc's own copies, in registers' old places on the stack, may hold the number as well.
    assert {what: [at for at in found[what] if at in expected[what]] for what in PLACES} == expected
    exact = [what for what in PLACES if what.startswith('"') or "--in-use" in what]
    assert {what: found[what] for what in exact} == {what: expected[what] for what in exact}
    (row,) = json.loads(said[block])["rows"]
    assert {row["place"].rpartition(" + ")[0] for row in json.loads(said[around])["rows"]} == {"the environment"}
    word = 4 if flags else 8
    assert (row["mem"], row["offset"]) == (said["output/x (unsigned long)full"].strip(), 2 * word)


# What is not found, and where it may be all the same.
NOT_FOUND = {
    'heap search "only ever read, and searched for"': r"total: found 0\nnote: .* of read-only memory were not "
    r"searched \(code, constants\): --all does\n",
    'heap search --all "neither here nor there"': r"total: found 0\n",
    'heap search --in-use "only ever read, and searched for"': r"total: found 0\n",
    "heap search 0x123456789 --width 8": (
        r"total: found 0\nnote: .* of read-only memory were not searched .*\nnote: values were looked for at "
        r"multiples of 8: "
        r"--unaligned finds them anywhere\n"
    ),
}


def test_what_was_not_searched_is_told_where_nothing_is_found(gdb):
    said = gdb(build("searched"), "break inspected", "run", *NOT_FOUND)
    assert [command for command, text in NOT_FOUND.items() if not re.search(f"^{text}\\Z", said[command])] == [], (
        said.text
    )


# What cannot be meant, and the line that it says.
WRONG = {
    "heap search 0x1ff --width 1": "0x1ff is 0x1ff, more than 1 byte hold: --width 2 searches for it",
    "heap search -129 --width 1": "-129 is 0xffffffffffffff7f, more than 1 byte hold: --width 8 searches for it",
    "heap search hello": 'hello: No symbol "hello" in current context. (a text is searched for in double quotes: '
    '"hello")',
    'heap search ""': "empty text matches everywhere",
    "heap search 1 --width 3": "--width takes 1, 2, 4 or 8 bytes, not 3",
    "heap search --hex 7f 4": "7f 4 is not a sequence of bytes: --hex takes two hex digits for each, as in 7f 45 4c 46",
    "heap search 10-5": "10-5 is not a range of values of 8 bytes (LOW-HIGH, HIGH not included)",
}


def test_what_cannot_be_meant_is_one_line(gdb):
    said = gdb(build("searched"), "break inspected", "run", *WRONG)
    assert {command: said[command] for command in WRONG} == {
        command: f"heap search: {line}\n" for command, line in WRONG.items()
    }


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
    every, in_use = "heap search 0x0-0x10 --width 1 --count 3", "heap search 0x0-0x10 --width 1 --in-use"
    _text, answers = stopped("leaks", commands=(every, in_use))
    for command in (every, in_use):
        assert answers[command]["notes"] == ["more than 16,384: only the first are shown"]
        assert answers[command]["totals"] == {"found": 16384}
    assert {row["state"] for row in answers[in_use]["rows"]} == {"in_use"}
