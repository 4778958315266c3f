"""Suppressions for `python3 -m gdbheap leaks`: Valgrind's files, LeakSanitizer's, and gdbheap's own form.

What Valgrind and LeakSanitizer match is a call stack, which nothing records here: such entries are kept by name, to be
told as not applied. gdbheap's own entries look like Valgrind's and match what is known of a leak:

    {
       the parser's cache
       gdbheap:Leak
       kind: definite
       type: struct cache_*
       size: 0x20-0x40
       text: http*
       module: libparser.so*
       holder: the_cache*
    }
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdbheap.errors import UsageError
from gdbheap.files import read_regular

_MOST = 1 << 22
_OWN = "gdbheap:Leak"
_KINDS = {
    "definite": "definitely_lost",
    "indirect": "indirectly_lost",
    "possible": "possibly_lost",
    "reachable": "still_reachable",
    "all": "",
}
# The column that each kind of line is about.
_COLUMNS = {"type": "what", "text": "text", "module": "module", "holder": "holder"}
_PLACES = ("module", "holder")
_SIZE = re.compile(r"(0x[0-9a-fA-F]+|\d+)?(-)?(0x[0-9a-fA-F]+|\d+)?")


@dataclass(frozen=True)
class Suppression:
    """One of gdbheap's own entries: `kinds` as rows have them (() for any), `sizes` of chunks, both included;
    `patterns` are (column, shell pattern)."""

    name: str
    kinds: tuple[str, ...] = ()
    sizes: tuple[int, int] = (0, 1 << 64)
    patterns: tuple[tuple[str, str], ...] = ()

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether every line of the entry holds of a row of `heap leaks --json --places`."""
        return (
            (not self.kinds or row["kind"] in self.kinds)
            and self.sizes[0] <= row["chunk_size"] <= self.sizes[1]
            and all(fnmatch.fnmatchcase(row[column] or "", pattern) for column, pattern in self.patterns)
        )


@dataclass(frozen=True)
class StackSuppression:
    """An entry of Valgrind's or LeakSanitizer's, which matches by a stack."""

    name: str


@dataclass(frozen=True)
class Suppressions:
    """`own` in the order of the files; `by_stack` cannot be applied."""

    own: Sequence[Suppression] = ()
    by_stack: Sequence[StackSuppression] = ()

    @property
    def by_place(self) -> bool:
        """Whether any asks for the module or the holder."""
        return any(column in _PLACES for each in self.own for column, _ in each.patterns)

    def match(self, row: Mapping[str, Any]) -> Suppression | None:
        """Return the first of `own` that matches a row of `heap leaks --json`."""
        return next((each for each in self.own if each.matches(row)), None)


def read_suppressions(paths: Sequence[str]) -> Suppressions:
    """Return what the files say; UsageError, with file and line, where one cannot be read or understood."""
    own: list[Suppression] = []
    by_stack: list[StackSuppression] = []
    for path in paths:
        try:
            text = read_regular(path, _MOST).decode("utf-8-sig", errors="replace")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
        for each in _entries(path, text):
            if isinstance(each, Suppression):
                own.append(each)
            else:
                by_stack.append(each)
    return Suppressions(tuple(own), tuple(by_stack))


def _entries(path: str, text: str) -> Iterator[Suppression | StackSuppression]:
    block: list[tuple[int, str]] | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if block is None:
            if line == "{":
                block = []
            elif line.startswith("leak:"):
                yield StackSuppression(line)
            else:
                raise UsageError(f"{path}:{number}: an entry begins with {{ (or with leak:, as LeakSanitizer's do)")
        elif line == "}":
            yield from _entry(path, number, block)
            block = None
        else:
            block.append((number, line))
    if block is not None:
        raise UsageError(f"{path}: the last entry has no }}")


def _entry(path: str, end: int, block: Sequence[tuple[int, str]]) -> Iterator[Suppression | StackSuppression]:
    if len(block) < 2:
        raise UsageError(f"{path}:{end}: an entry needs a name and a kind, such as {_OWN}")
    name, (_, kind) = block[0][1], block[1]
    if kind == _OWN:
        yield _own(path, name, block[2:])
    elif kind.partition(":")[2] == "Leak":
        yield StackSuppression(name)
    # What suppresses other errors than leaks has no part here.


def _own(path: str, name: str, lines: Sequence[tuple[int, str]]) -> Suppression:
    values: dict[str, Any] = {}
    patterns = []
    for number, line in lines:
        key, colon, value = (each.strip() for each in line.partition(":"))
        if not colon or key not in ("kind", "size", *_COLUMNS):
            raise UsageError(f"{path}:{number}: {line!r} is not one of kind:, size:, {':, '.join(_COLUMNS)}:")
        if key == "kind":
            names = [each.strip() for each in value.split(",")]
            if unknown := [each for each in names if each not in _KINDS]:
                raise UsageError(f"{path}:{number}: {unknown[0]!r} is not one of {', '.join(_KINDS)}")
            values["kinds"] = () if "all" in names else tuple(_KINDS[each] for each in names)
        elif key == "size":
            values["sizes"] = _sizes(path, number, value)
        else:
            patterns.append((_COLUMNS[key], value))
    return Suppression(name, patterns=tuple(patterns), **values)


def _sizes(path: str, number: int, text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None or not any(match.group(1, 3)):
        raise UsageError(f"{path}:{number}: {text!r} is neither a size nor a range such as 0x20-0x40")
    low = int(match[1] or "0", 0)
    high = int(match[3], 0) if match[3] else 1 << 64 if match[2] else low
    return low, high
