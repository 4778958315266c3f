"""Intervals against a look at all of them."""

from __future__ import annotations

import random

from gdbheap.process.intervals import Intervals


def test_what_holds_an_address_and_where_ranges_begin_and_end():
    rng = random.Random(18)
    for _ in range(50):
        ranges = []
        for _ in range(rng.randrange(12)):
            start = rng.randrange(60)
            ranges.append((start, start + rng.randrange(1, 25)))
        intervals = Intervals((*each, each) for each in ranges)
        for address in range(90):
            assert intervals.at(address) == sorted(each for each in ranges if each[0] <= address < each[1])
            end = address + rng.randrange(1, 40)
            places = {place for each in ranges for place in each}
            assert intervals.cuts(address, end) == sorted(place for place in places if address < place < end)
