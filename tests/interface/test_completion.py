"""What Tab offers."""

from __future__ import annotations

import pytest

from gdbheap.interface.command import Argument, Command
from gdbheap.interface.completion import EXPRESSION, PATH, complete
from tests.interface.test_arguments import COMMAND

ALL = ["--state", "--size", "--at-most", "--limit", "--where", "--summary", "--json", "--json-lines", "--output"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", EXPRESSION),
        ("pt", EXPRESSION),
        ("--", ALL),
        ("--s", ["--state", "--size", "--summary"]),
        ("--size 3 --s", ["--state", "--summary"]),
        ("--state ", ["in_use", "tcache", "top"]),
        ("--state t", ["tcache", "top"]),
        ("--state=t", ["--state=tcache", "--state=top"]),
        ("--state in_use,to", ["in_use,top"]),
        ("--output /t", PATH),
        ("--where p", EXPRESSION),
        ("--limit ", []),
    ],
)
def test_candidates(text, expected):
    assert complete(COMMAND, text) == expected


def test_a_command_with_nothing_but_options_offers_them():
    assert complete(Command("heap", "Show.", COMMAND.run), "") == ["--json", "--json-lines", "--output"]


def test_each_positional_has_its_own_candidates():
    kinds = Argument("KIND", "choice", "Which.", ("tcache", "small"))
    command = Command("heap x", "X.", COMMAND.run, arguments=(kinds, Argument("ADDRESS", "expression", "Where.")))
    assert complete(command, "sm") == ["small"]
    assert complete(command, "--json t") == ["tcache"]
    assert complete(command, "small ") == EXPRESSION


def test_a_place_is_an_arenas_name_while_one_fits_and_else_an_expression():
    place = Command(
        "look",
        "Look.",
        run=lambda *_: None,
        arguments=(Argument("WHERE", "text", "Where.", choices=("main", "mmapped")),),
    )
    assert complete(place, "m") == ["main", "mmapped"]
    assert complete(place, "p->ne") == EXPRESSION


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["malloc", "malloc_trim", "free"]),
        ("ma", ["malloc", "malloc_trim"]),
        ("--explain fr", ["free"]),
        ("malloc 24; f", ["free"]),
        ("malloc 24;f", ["24;free"]),
        ("malloc(24);  m", ["malloc", "malloc_trim"]),
        ("'", ["'malloc", "'malloc_trim", "'free"]),
        ("'ma", ["'malloc", "'malloc_trim"]),
        ('--json "malloc 24; fr', ['"malloc 24; free']),
        ("free ", EXPRESSION),
        ("free p", EXPRESSION),
        ("'malloc 24; free p", EXPRESSION),
        ("malloc 24 --e", ["--explain"]),
    ],
)
def test_calls_begin_with_a_function_and_go_on_with_an_expression(text, expected):
    functions = Argument("CALLS", "calls", "What.", choices=("malloc", "malloc_trim", "free"))
    command = Command("heap p", "P.", COMMAND.run, arguments=(Argument("--explain", "flag", "Why."), functions))
    assert complete(command, text) == expected
