"""Allocator calls as a user types them: `malloc 0x30; free p; realloc(@1, 100)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Union

from gdbheap.errors import HeapError, UsageError
from gdbheap.lazy import dataclass, regex

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
_NAME = regex(r"\s*([A-Za-z_]\w*)")
_OPEN, _CLOSE = "([{", ")]}"
_QUOTES = "'\""


@dataclass(frozen=True)
class Earlier:
    """The result of an earlier call of the same line, counted from 1: "@1"."""

    number: int


Value = Union[int, Earlier]


@dataclass(frozen=True)
class PredictedCall:
    """One call; `text` is as it was typed."""

    name: str
    arguments: tuple[Value, ...]
    text: str


def parse_calls(line: str, evaluate: Callable[[str], int]) -> list[PredictedCall]:
    """Return the calls of a line. Numbers are expressions for `evaluate`. Raises UsageError that points at the
    mistake."""
    if line.startswith(tuple(_QUOTES)):
        raise _mistake(line, 0, len(line), "put quotes around all the calls, or around none")
    calls: list[PredictedCall] = []
    for start, text in _pieces(line, ";"):
        if text.strip():
            calls.append(_parse_call(line, start, text, len(calls), evaluate))
    if not calls:
        raise UsageError(f"no calls; an example: malloc 24; free @1 (functions: {', '.join(FUNCTIONS)})")
    return calls


def _parse_call(line: str, start: int, text: str, done: int, evaluate: Callable[[str], int]) -> PredictedCall:
    at = start + len(text) - len(text.lstrip())
    match = _NAME.match(text)
    if match is None or match[1] not in FUNCTIONS:
        end = at + len(match[1]) if match else start + len(text.rstrip())
        raise _mistake(line, at, end, f"there is no such function (known are {', '.join(FUNCTIONS)})")
    name = match[1]
    names = FUNCTIONS[name]
    words = list(_arguments(text, match.end(), one=len(names) == 1))
    if len(words) != len(names):
        end = start + len(text.rstrip())
        place = start + words[len(names)][0] if len(words) > len(names) else end
        raise _mistake(line, place, max(end, place + 1), f"{name} takes {' '.join(names)}")
    values = tuple(_value(line, start + offset, word, done, evaluate) for offset, word in words)
    return PredictedCall(name, values, text.strip())


def _arguments(text: str, start: int, one: bool) -> Iterator[tuple[int, str]]:
    """Yield (offset, word) of what follows a function's name: in parentheses with commas, or with blanks between;
    all of it where only `one` is wanted."""
    rest = text[start:].strip()
    if rest.startswith("(") and rest.endswith(")") and _matching(rest) == len(rest) - 1:
        inner = text.index("(", start) + 1
        pieces = _pieces(text[inner : text.rindex(")")], ",")
    else:
        inner = start
        pieces = iter([(0, text[start:])]) if one else _pieces(text[start:], " \t")
    for offset, word in pieces:
        if word.strip():
            yield inner + offset + len(word) - len(word.lstrip()), word.strip()


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
        elif character in _QUOTES:
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
            raise _mistake(line, at, at + len(word), "@N is the result of the Nth call before this one")
        return Earlier(int(word[1:]))
    try:
        return evaluate(word)
    except HeapError as error:
        raise _mistake(line, at, at + len(word), str(error)) from error


def _mistake(line: str, start: int, end: int, reason: str) -> UsageError:
    return UsageError(reason.rstrip("."), line, (start, end))
