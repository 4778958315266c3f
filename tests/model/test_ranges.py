"""Ranges against a plain set of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gdbheap.model.placement import highest_gap
from gdbheap.model.ranges import SortedRanges

_place = st.integers(0, 60)


@given(st.lists(st.tuples(st.booleans(), _place, _place)), st.integers(1, 20), _place)
def test_ranges_hold_what_a_set_holds(changes, size, high):
    ranges, plain = SortedRanges(), set()
    for add, start, end in changes:
        (ranges.add if add else ranges.remove)(start, end)
        (plain.update if add else plain.difference_update)(range(start, end))
    assert {number for start, end in ranges for number in range(start, end)} == plain
    assert all(end < start for (_, end), (start, _) in zip(list(ranges), list(ranges)[1:]))
    assert [number in ranges for number in range(70)] == [number in plain for number in range(70)]
    assert ranges.overlap(high, high + size) == bool(plain & set(range(high, high + size)))
    holes = [start for start in range(5, high - size + 1) if not plain & set(range(start, start + size))]
    assert highest_gap(ranges.downwards(), size, 5, high) == (max(holes) if holes else None)
