"""What in an expression changes something: gdb would carry out `x = 1` or `p++` in the process, where gdbheap only
looks."""

from __future__ import annotations

import re
from collections.abc import Callable

from gdbheap.lazy import regex

_TOKEN = regex(
    r"""
      (?P<text>"(?:[^"\\]|\\.)*"?)
    | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<name>\boperator\s*(?:\(\)|\[\]|->\*?|<=>|<<=?|>>=?|\+\+|--|&&|\|\||[-+*/%^&|=!<>]=?|[~,]) | \$?\w+ | \$+)
    | (?P<other><=>|[=!<>]=|=>|\.\.=)
    | (?P<step>\+\+|--)
    | (?P<assigns><<=|>>=|[-+*/%&|^:]?=)
    | \S
    """,
    re.VERBOSE,
)
# A variable of gdb's own, as far as a name tells: "$1" and "$" are values of its history, which may lie in a register.
_VARIABLE = regex(r"\$[A-Za-z_]\w*")
# Languages in which `=` compares, in which `/=` does, and which have no `++` (there "a--1" subtracts -1).
_EQUALITY = frozenset({"ada", "modula-2", "pascal"})
_UNEQUAL = frozenset({"ada", "fortran"})
_WITHOUT_STEPS = frozenset({"ada", "fortran", "modula-2", "rust"})


def find_assignment(expression: str, language: Callable[[], str], is_register: Callable[[str], bool]) -> str:
    """Return the first operator that assigns to something of the process ("=", "+=", "++"), or "" where none does.

    A convenience variable ("$mine = p") is gdb's own. `language` returns gdb's current one, `is_register` whether
    "$rsp" is a register.
    """
    tokens = [match for match in _TOKEN.finditer(expression) if match.lastgroup != "text"]
    for index, token in enumerate(tokens):
        kind, text = token.lastgroup, token[0]
        if kind not in ("step", "assigns") or not _assigns(text, language()):
            continue
        before = tokens[index - 1][0] if index else ""
        after = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        # "--x" stands before its operand, "x--" and "x = " behind it.
        target = after if kind == "step" and not re.search(r"[\w)\]$']$", before) else before
        if not _VARIABLE.fullmatch(target) or is_register(target[1:]):
            return text
    return ""


def _assigns(operator: str, language: str) -> bool:
    if operator in ("++", "--"):
        return language not in _WITHOUT_STEPS
    if operator == "=":
        return language not in _EQUALITY
    return operator != "/=" or language not in _UNEQUAL


def holds_text(expression: str) -> bool:
    """Whether there is text in double quotes in an expression."""
    return any(match.lastgroup == "text" for match in _TOKEN.finditer(expression))
