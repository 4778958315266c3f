"""Sizes and bins, against glibc's own macros as published in malloc.c (values worked out by hand from them, not by
this code)."""

from __future__ import annotations

import pytest

from gdbheap.glibc.sizes import bin_index, bin_ranges, min_large_size
from gdbheap.machine.machines import machine_of_size

# (word, alignment, size, index): both sides of every boundary between the kinds of large bin.
KNOWN_INDICES = [
    (8, 16, 0x20, 2),
    (8, 16, 0x3F0, 63),
    (8, 16, 0x400, 64),
    (8, 16, 0xC30, 96),
    (8, 16, 0xC40, 97),
    (8, 16, 0x29F0, 111),
    (8, 16, 0x2A00, 112),
    (8, 16, 0xAFF0, 120),
    (8, 16, 0xB000, 120),
    (8, 16, 0x27FF0, 123),
    (8, 16, 0x28000, 124),
    (8, 16, 0xC0000, 126),
    (8, 16, 1 << 40, 126),
    (4, 16, 0x10, 2),
    (4, 16, 0x3E0, 63),
    (4, 16, 0x3F0, 64),
    (4, 8, 0x10, 2),
    (4, 8, 0x1F8, 63),
    (4, 8, 0x200, 64),
]


@pytest.mark.parametrize(("word", "alignment", "size", "index"), KNOWN_INDICES)
def test_a_size_goes_to_the_bin_that_glibc_names(word: int, alignment: int, size: int, index: int) -> None:
    assert bin_index(size, machine_of_size(word), alignment) == index


@pytest.mark.parametrize(("word", "alignment"), [(8, 16), (4, 16), (4, 8)])
def test_every_size_lies_in_its_bins_range_and_the_ranges_leave_no_hole(word: int, alignment: int) -> None:
    ranges = bin_ranges(machine_of_size(word), alignment)
    for size in [*range(4 * word, 0x100000, alignment), 1 << 30]:
        low, high = ranges[bin_index(size, machine_of_size(word), alignment)]
        assert low <= size and (high is None or size <= high)
    bounded = [(low, high) for low, high in ranges[2:127] if low]
    assert all(high is not None and high + alignment == low for (_, high), (low, _) in zip(bounded, bounded[1:]))


@pytest.mark.parametrize(("word", "alignment", "size"), [(8, 16, 0x400), (4, 16, 0x3F0), (4, 8, 0x200)])
def test_large_bins_begin_where_glibc_lets_them(word: int, alignment: int, size: int) -> None:
    assert min_large_size(word, alignment) == size
