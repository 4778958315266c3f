"""What a source line hands to free, realloc or delete: the expressions, as the source writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gdbheap.lazy import regex

_CALL = regex(r"(?<![\w.>])(?:::\s*|std::\s*)?(?:c?free|realloc(?:array)?)\s*\(")
_DELETE = regex(r"(?<![\w.>])delete\b(?:\s*\[\s*\])?(?=[\s(*])")
# What would change the program, or needs memory in it.
_REFUSED = regex(r"\+\+|--|(?<![=!<>])=(?!=)|\"|;|[{}]")
_QUOTED = regex(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|//[^\n]*|/\*.*?\*/", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_LONGEST = 200


def freed_expressions(source: str) -> tuple[str, ...]:
    """Return the first arguments of the calls of free and its like that begin in the first line of the source text,
    and what its deletes delete; those left out whose value cannot be asked for without changing something."""
    text = _QUOTED.sub(lambda match: " " * len(match[0]) if match[0][0] == "/" else match[0], source)
    first_line = text.partition("\n")[0]
    found = dict.fromkeys(each for each in _found(text, first_line) if each and not _REFUSED.search(each))
    return tuple(each for each in found if len(each) <= _LONGEST)


def is_of_array(source: str, expression: str) -> bool:
    """Whether the first line takes the expression with delete[], which frees what lies one word before it where new[]
    keeps the number of the elements there."""
    found = (
        _up_to(source[match.end() :], ",);") for match in _DELETE.finditer(source.partition("\n")[0]) if "[" in match[0]
    )
    return expression in found


def _found(text: str, first_line: str) -> Iterator[str]:
    for match in _CALL.finditer(first_line):
        yield _up_to(text[match.end() :], ",)")
    for match in _DELETE.finditer(first_line):
        yield _up_to(text[match.end() :], ",);")


def _up_to(text: str, ends: str) -> str:
    """Return the text up to the first of these characters outside brackets, its blanks made single; "" where there
    is none."""
    closing: list[str] = []
    for index, char in enumerate(text):
        if not closing and char in ends:
            return " ".join(text[:index].split())
        if char in _CLOSING:
            closing.append(_CLOSING[char])
        elif closing and char == closing[-1]:
            closing.pop()
    return ""
