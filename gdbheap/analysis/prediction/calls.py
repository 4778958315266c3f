"""Allocator calls as a user types them: `malloc 0x30; free p; realloc(@1, 100)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Union

from gdbheap.errors import HeapError, UsageError

# The functions, and what each takes.
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "malloc": ("SIZE",),
    "calloc": ("COUNT", "SIZE"),
    "realloc": ("ADDRESS", "SIZE"),
    "free": ("ADDRESS",),
    "memalign": ("ALIGNMENT", "SIZE"),
    "aligned_alloc": ("ALIGNMENT", "SIZE"),
    "posix_memalign": ("ALIGNMENT", "SIZE"),
    "valloc": ("SIZE",),
    "pvalloc": ("SIZE",),
    "malloc_trim": ("PAD",),
    "mallopt": ("PARAMETER", "VALUE"),
}
_NAME = re.compile(r"\s*([A-Za-z_]\w*)")
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Earlier:
    """The result of an earlier call of the same line, counted from 1: "@1"."""

    number: int


Value = Union[int, Earlier]


@dataclass(frozen=True)
class Call:
    """One call; `text` is as it was typed."""

    name: str
    arguments: tuple[Value, ...]
    text: str


def parse_calls(line: str, evaluate: Callable[[str], int]) -> list[Call]:
    """Return the calls of a line. Numbers are expressions for `evaluate`. Raises UsageError that points at the mistake."""
    calls: list[Call] = []
    for start, text in _pieces(line, ";"):
        if text.strip():
            calls.append(_parse_call(line, start, text, len(calls), evaluate))
    if not calls:
        raise UsageError(f"no calls; an example: malloc 24; free @1 (functions: {', '.join(FUNCTIONS)})")
    return calls


def _parse_call(line: str, start: int, text: str, done: int, evaluate: Callable[[str], int]) -> Call:
    match = _NAME.match(text)
    at = start + len(text) - len(text.lstrip())
    if match is None or match[1] not in FUNCTIONS:
        raise _mistake(line, at, f"no such function (there are {', '.join(FUNCTIONS)})")
    name = match[1]
    words = list(_arguments(text, match.end()))
    names = FUNCTIONS[name]
    if len(words) != len(names):
        place = start + (words[len(names)][0] if len(words) > len(names) else len(text.rstrip()))
        raise _mistake(line, place, f"{name} takes {' '.join(names)}")
    values = tuple(_value(line, start + offset, word, done, evaluate) for offset, word in words)
    return Call(name, values, text.strip())


def _arguments(text: str, start: int) -> Iterator[tuple[int, str]]:
    """Yield (offset, word) of what follows a function's name: in parentheses with commas, or with blanks between."""
    rest = text[start:].strip()
    if rest.startswith("(") and rest.endswith(")") and _matching(rest) == len(rest) - 1:
        inner = text.index("(", start) + 1
        pieces = list(_pieces(text[inner : text.rindex(")")], ","))
        yield from (
            (inner + offset + len(word) - len(word.lstrip()), word.strip()) for offset, word in pieces if word.strip()
        )
    else:
        yield from ((start + offset, word) for offset, word in _pieces(text[start:], " \t") if word)


def _matching(text: str) -> int:
    """Return where the bracket that `text` begins with is closed, or -1."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in _OPEN) - (character in _CLOSE)
        if not depth:
            return index
    return -1


def _pieces(text: str, separators: str) -> Iterator[tuple[int, str]]:
    """Yield (offset, piece) between separators that are in no brackets and no quotes."""
    start = depth = 0
    quote = ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in separators and not depth:
            yield start, text[start:index]
            start = index + 1
        else:
            depth += (character in _OPEN) - (character in _CLOSE)
    yield start, text[start:]


def _value(line: str, at: int, word: str, done: int, evaluate: Callable[[str], int]) -> Value:
    if word.startswith("@"):
        if not word[1:].isdecimal() or not 1 <= int(word[1:]) <= done:
            raise _mistake(line, at, "@N is the result of the Nth call before this one")
        return Earlier(int(word[1:]))
    try:
        return evaluate(word)
    except HeapError as error:
        raise _mistake(line, at, str(error)) from error


def _mistake(line: str, at: int, reason: str) -> UsageError:
    """Point at a place in the line as gdb does for an expression: one line, for errors have one."""
    rest = line[at:].strip()
    return UsageError(f"{reason.rstrip('.')}, near `{rest}'" if rest else f"{reason}, at the end of `{line.strip()}'")
