"""Words of the shell that are off: people are told as argparse does, programs in JSON, where the answer would be."""

from __future__ import annotations

import json

import pytest

from gdbheap.__main__ import main
from gdbheap.interface.words import asks_json

MISSPELT = "there is no option --cuont; did you mean --count?"


@pytest.mark.parametrize(
    ("line", "status", "command", "message", "then"),
    [
        ("diff --json", 2, "diff", "the following arguments are required: SNAPSHOT", "diff"),
        ("diff a b --cuont=3 --json-lines", 2, "diff", MISSPELT, "diff"),
        ("triage --json", 2, "triage", "the following arguments are required: CORE", "triage"),
        ("heap leaks --core -json", 2, "heap leaks", "argument --core: expected one argument", "heap leaks"),
        ("leaks --json --output - --cuont x", 2, "leaks", "there is no option --cuont", "leaks"),
        ("attach --json 7 --do fault", 2, "attach", "there is no option --json", "attach"),
        ("frob --json", 2, "frob", "argument COMMAND: invalid choice: 'frob'", ""),
        ("heap chunk --json --core", 2, "heap chunk", "argument --core: expected one argument", "heap chunk"),
        ("explain 7 --json", 1, "explain", "explain needs a core or a process", "explain"),
        ("heap frob --json", 1, "heap", "there is no heap frob", "heap"),
    ],
)
def test_words_that_are_off_are_told_in_json_too(line, status, command, message, then, capsys):
    assert main(line.split()) == status
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert answer["command"] == command
    assert answer["error"]["code"] == "usage"
    assert answer["error"]["message"].startswith(message)
    assert answer["error"]["next"] == [f"python3 -m gdbheap {then}".rstrip() + " --help"]
    last = told.err.splitlines()[-1]
    assert last.endswith(answer["error"]["message"])
    assert told.err.startswith("usage: gdbheap " if status == 2 else "gdbheap: ")


def test_what_each_command_of_do_would_have_answered_in_json_is_an_error_in_json(capsys):
    words = ["core", "/nowhere", "--do", "heap leaks -json", "--do", "fault", "--do=vmmap --count 3 --json-lines"]
    assert main(words) == 1
    told = capsys.readouterr()
    answers = [json.loads(line) for line in told.out.splitlines()]
    assert [each["command"] for each in answers] == ["heap leaks", "vmmap"]
    assert {each["error"]["message"] for each in answers} == {"cannot read /nowhere: No such file or directory"}
    assert told.err == "gdbheap: cannot read /nowhere: No such file or directory\n"


def test_leaks_tells_where_its_answer_would_be(capsys):
    assert main(["leaks", "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err.splitlines()[0])["error"]["code"] == "usage"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("leaks --json prog", True),
        ("leaks --output FILE --json-lines prog", True),
        ("leaks --output FILE prog --json", False),
        ("leaks --follow-children prog --json", False),
        ("run --gdb-option -q prog --json", False),
        ("core CORE --do=fault", False),
        ("heap leaks -json", True),
        ("", False),
    ],
)
def test_the_words_of_a_program_that_is_run_are_its_own(line, wanted):
    assert asks_json(line.split()) is wanted


def test_without_json_there_is_the_usage_alone(capsys):
    assert main(["diff", "a", "--cuont", "3"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: gdbheap diff ")
    assert told.err.endswith(f"\ngdbheap diff: error: {MISSPELT}\n")
