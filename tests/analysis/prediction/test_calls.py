"""Calls as they are typed for `heap predict`: what is understood, and where a mistake is pointed at."""

from __future__ import annotations

import pytest

from gdbheap.analysis.prediction.calls import Earlier, PredictedCall, parse_calls
from gdbheap.errors import HeapError, UsageError

VARIABLES = {"p": 0x5000, "f(1, 2)": 7, "a[b, c]": 9, "'x;y'": 3}


def evaluate(expression):
    """What gdb would make of it: numbers, and a few expressions with separators inside."""
    if expression in VARIABLES:
        return VARIABLES[expression]
    try:
        return int(expression, 0)
    except ValueError:
        raise HeapError(f'No symbol "{expression}" in current context.') from None


def parsed(line):
    return [(each.name, each.arguments) for each in parse_calls(line, evaluate)]


@pytest.mark.parametrize(
    ("line", "calls"),
    [
        ("malloc 24", [("malloc", (24,))]),
        ("malloc(0x18)", [("malloc", (24,))]),
        ("  malloc ( 24 ) ;", [("malloc", (24,))]),
        ("malloc 24; free @1", [("malloc", (24,)), ("free", (Earlier(1),))]),
        ("calloc 2 8", [("calloc", (2, 8))]),
        ("calloc(2, 8)", [("calloc", (2, 8))]),
        ("realloc(p, 100)", [("realloc", (0x5000, 100))]),
        # Separators within brackets and quotes are the expression's own.
        ("malloc f(1, 2)", [("malloc", (7,))]),
        ("calloc(f(1, 2), a[b, c])", [("calloc", (7, 9))]),
        ("malloc 'x;y'; free p", [("malloc", (3,)), ("free", (0x5000,))]),
        ("malloc 1; malloc 2; realloc @2 3", [("malloc", (1,)), ("malloc", (2,)), ("realloc", (Earlier(2), 3))]),
    ],
)
def test_calls_are_read_as_c_or_with_blanks(line, calls):
    assert parsed(line) == calls


# (line, the part that is pointed at, what is said)
MISTAKES = [
    ("mallok 24", "mallok", "there is no such function"),
    ("24", "24", "there is no such function"),
    ("malloc 24; frei @1", "frei", "there is no such function"),
    ("calloc 2", "", "calloc takes COUNT SIZE"),
    ("calloc 2 8 9", "9", "calloc takes COUNT SIZE"),
    ("free @1", "@1", "@N is the result of the Nth call before this one"),
    ("malloc 1; free @2", "@2", "@N is the result of the Nth call before this one"),
    ("malloc 1; free @x", "@x", "@N is the result of the Nth call before this one"),
    ("malloc 1; free @0", "@0", "@N is the result of the Nth call before this one"),
    ("malloc nothing", "nothing", 'No symbol "nothing" in current context'),
    ("malloc(24); free(nothing)", "nothing", 'No symbol "nothing" in current context'),
]


@pytest.mark.parametrize(("line", "part", "reason"), MISTAKES, ids=[line for line, _, _ in MISTAKES])
def test_a_mistake_is_pointed_at(line, part, reason):
    with pytest.raises(UsageError) as error:
        parsed(line)
    start, end = error.value.span
    assert (str(error.value).startswith(reason), line[start:end]) == (True, part)


@pytest.mark.parametrize("line", ["", " ", ";", " ; ; "])
def test_no_calls_get_an_example(line):
    with pytest.raises(UsageError, match=r"^no calls; an example: malloc 24; free @1"):
        parsed(line)


def test_a_call_keeps_what_was_typed():
    assert parse_calls("malloc( 0x18 ); free p", evaluate)[0] == PredictedCall("malloc", (24,), "malloc( 0x18 )")
