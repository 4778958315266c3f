"""Ranges: a set of addresses as sorted, disjoint stretches."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class SortedRanges:
    """Stretches [start, end), kept sorted and merged where they touch."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []

    def __iter__(self) -> zip[tuple[int, int]]:
        return zip(self.starts, self.ends)

    def copy(self) -> SortedRanges:
        """Return another set with the same stretches."""
        other = SortedRanges()
        other.starts, other.ends = list(self.starts), list(self.ends)
        return other

    def add(self, start: int, end: int) -> None:
        """Add [start, end)."""
        if start >= end:
            return
        first = bisect_left(self.ends, start)
        last = bisect_right(self.starts, end)
        if first < last:
            start = min(start, self.starts[first])
            end = max(end, self.ends[last - 1])
        self.starts[first:last] = [start]
        self.ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take [start, end) out, as far as it is in."""
        if start >= end:
            return
        first = bisect_right(self.ends, start)
        last = bisect_left(self.starts, end)
        if first >= last:
            return
        starts, ends = [], []
        if self.starts[first] < start:
            starts.append(self.starts[first])
            ends.append(start)
        if self.ends[last - 1] > end:
            starts.append(end)
            ends.append(self.ends[last - 1])
        self.starts[first:last] = starts
        self.ends[first:last] = ends

    def overlap(self, start: int, end: int) -> bool:
        """Return whether any address of [start, end) is in."""
        index = bisect_right(self.ends, start)
        return index < len(self.starts) and self.starts[index] < end

    def __contains__(self, address: int) -> bool:
        index = bisect_right(self.starts, address) - 1
        return index >= 0 and address < self.ends[index]

    def downwards(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches from high addresses to low."""
        return zip(reversed(self.starts), reversed(self.ends))
