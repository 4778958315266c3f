"""Ranges of addresses that may overlap, by what holds an address: found without a look at all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Intervals(Generic[T]):
    """Things by their [start, end): given as (start, end, thing)."""

    def __init__(self, things: Iterable[tuple[int, int, T]]) -> None:
        ordered = sorted(things, key=lambda each: each[:2])
        self._starts = [start for start, _, _ in ordered]
        self._ends = [end for _, end, _ in ordered]
        self._things = [thing for _, _, thing in ordered]
        # The highest end of all up to each: where it is not above an address, none before holds that.
        self._reached = list(accumulate(self._ends, max))
        self._places = sorted({*self._starts, *self._ends})

    def at(self, address: int) -> list[T]:
        """Return the things whose range holds the address, in order of their starts."""
        found = []
        index = bisect_right(self._starts, address) - 1
        while index >= 0 and self._reached[index] > address:
            if self._ends[index] > address:
                found.append(self._things[index])
            index -= 1
        return found[::-1]

    def cuts(self, start: int, end: int) -> list[int]:
        """Return where ranges begin or end inside of [start, end), in order, each place once."""
        return self._places[bisect_right(self._places, start) : bisect_right(self._places, end - 1)]
