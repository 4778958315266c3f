"""What entries lie in: namespaces, structs, functions."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple


class Scope(NamedTuple):
    """Whose children are read: the row of a struct or array (-1: neither), what stands before their names, and the
    number of the name of the function they are in (0: in none, -1: in one whose name is told elsewhere),
    and its own number among the unit's namespaces and structs (-1: it is in none)."""

    row: int = -1
    prefix: str = ""
    function: int = 0
    is_function: bool = False
    number: int = -1


class Scopes:
    """The namespaces and structs of a unit, as they are passed."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        # The end of each, what stands before the names in it, the number of the one that it is in.
        self._scopes: list[tuple[int, str, int]] = []

    def add(self, start: int, end: int, prefix: str, outer: Scope) -> int:
        """Return the number of a new one."""
        self._starts.append(start)
        self._scopes.append((end, prefix, outer.number))
        return len(self._scopes) - 1

    def prefix_at(self, place: int) -> str:
        """Return what stands before the names at a place that was passed."""
        number = bisect_left(self._starts, place) - 1
        while number >= 0:
            end, prefix, number = self._scopes[number]
            if place < end:
                return prefix
        return ""
