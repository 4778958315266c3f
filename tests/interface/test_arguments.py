"""A command's words: what is an option, what is an expression, and what an error says."""

from __future__ import annotations

import pytest

from gdbheap.errors import UsageError
from gdbheap.interface.arguments import as_word, parse
from gdbheap.interface.command import Argument, Command
from gdbheap.report.report import Report

COMMAND = Command(
    name="heap things",
    summary="Show things.",
    run=lambda target, arguments: Report("heap things"),
    arguments=(
        Argument("ADDRESS", "expression", "The thing's address."),
        Argument("--state", "choice", "Only these states.", choices=("in_use", "tcache", "top")),
        Argument("--size", "range", "Only these sizes."),
        Argument("--at-most", "size", "Up to this size."),
        Argument("--limit", "count", "So many rows.", default=50),
        Argument("--where", "expression", "Beside this address."),
        Argument("--summary", "flag", "Totals alone."),
    ),
)


def evaluate(expression):
    """Stands for gdb: a few expressions with values."""
    values = {"ptr->next": 1, "(char *)p + 8": 2, "p - --q": 3, "sizeof(int)": 4, "'a.c'::p": 5}
    if expression not in values:
        raise UsageError(f"no value: {expression}")
    return values[expression]


def given(line, command=COMMAND):
    defaults = parse(command, "", evaluate)
    return {key: value for key, value in parse(command, line, evaluate).items() if value != defaults[key]}


def error(line, command=COMMAND):
    with pytest.raises(UsageError) as raised:
        parse(command, line, evaluate)
    return str(raised.value)


def test_nothing_given_is_all_defaults():
    assert parse(COMMAND, "", evaluate) == {
        "address": None,
        "state": None,
        "size": None,
        "at_most": None,
        "limit": 50,
        "where": None,
        "summary": False,
        "json": False,
        "json_lines": False,
        "output": None,
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ptr->next", {"address": 1}),
        ("(char *)p + 8", {"address": 2}),
        ("  (char *)p + 8 --json ", {"address": 2, "json": True}),
        ("--summary (char *)p + 8", {"address": 2, "summary": True}),
        ("(char *)p + 8 --output 'my file'", {"address": 2, "output": "my file"}),
        ("-- p - --q", {"address": 3}),
        ("'a.c'::p", {"address": 5}),
        ("--state tcache", {"state": ("tcache",)}),
        ("--state=IN-USE,top", {"state": ("in_use", "top")}),
        ("--size 0x20-4k", {"size": (0x20, 4096)}),
        ("--size=-64", {"size": (None, 64)}),
        ("--size 64-", {"size": (64, None)}),
        ("--size 48", {"size": (48, 48)}),
        ("--at-most 1MiB", {"at_most": 1 << 20}),
        ("--at-most sizeof(int)", {"at_most": 4}),
        ("--limit 0x10", {"limit": 16}),
        ("--where=ptr->next", {"where": 1}),
    ],
)
def test_a_line_is_understood(line, expected):
    assert given(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--summry", "there is no option --summry; did you mean --summary?"),
        ("--xyzzy", "there is no option --xyzzy; see `help gdbheap heap things`"),
        ("--state frobbed", "--state does not know 'frobbed'; it takes in_use, tcache, top"),
        ("--state tcahce", "--state does not know 'tcahce'; did you mean tcache?"),
        ("--state", "--state needs a value: Only these states."),
        ("--state --json", "--state needs a value: Only these states."),
        ("--json=yes", "--json takes no value"),
        ("--json --json", "--json is given twice"),
        ("--limit many", "--limit takes a number, not 'many'"),
        ("--size 1-2-3", "--size takes MIN-MAX, MIN-, -MAX or one size, not '1-2-3'"),
        ("--size 64-32", "--size 64-32: the first size is above the second"),
        ("no_such_thing", "no value: no_such_thing"),
    ],
)
def test_nonsense_is_named(line, expected):
    assert error(line) == expected


def test_all_but_the_last_positional_take_one_word():
    command = Command(
        "heap diff",
        "Compare.",
        COMMAND.run,
        arguments=(Argument("FIRST", "text", "One.", required=True), Argument("SECOND", "text", "Two.")),
    )
    both = [parse(command, line, evaluate) for line in ("a 'b c'", "(a b) c d")]
    assert [(each["first"], each["second"]) for each in both] == [("a", "'b c'"), ("(a b)", "c d")]
    assert error("", command) == "FIRST is missing: One."


def test_a_word_too_many_is_named():
    command = Command("heap bins", "List.", COMMAND.run, arguments=(Argument("KIND", "choice", "Which.", ("small",)),))
    assert given("small", command) == {"kind": ("small",)}
    assert error("small talk", command) == "unexpected argument 'talk'"


@pytest.mark.parametrize("name", ["before", "a b", 'a "quoted" name', "back\\slash", "-dash", "it's", "(x", "", "ünï"])
def test_a_name_is_typed_so_that_it_is_read_again(name):
    command = Command("x", "X.", run=lambda target, arguments: None, arguments=(Argument("NAME", "name", "A name."),))
    assert parse(command, as_word(name), int)["name"] == name
