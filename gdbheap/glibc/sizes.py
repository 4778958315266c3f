"""Sizes: from requests to chunks, and which sizes each bin holds. All in bytes."""

from __future__ import annotations

from functools import cache

from gdbheap.glibc.layout import Layout
from gdbheap.machine.machine import Machine

NBINS = 128
UNSORTED_BIN = 1
_TCACHE_SMALL_BINS = 64

# Large bins behind the narrow ones: (shift, last value of size >> shift that still belongs here, index of value 0); the
# first match wins. Mirrors largebin_index_64, _32_big and _32, which differ in the narrow ones alone.
_WIDE_BINS = ((9, 20, 91), (12, 10, 110), (15, 4, 119), (18, 2, 124))
_NARROW_SHIFT = 6
_FIRST_LARGE_BIN = 64


def align_up(value: int, alignment: int) -> int:
    """Round up to a multiple of `alignment` (a power of two)."""
    return (value + alignment - 1) & ~(alignment - 1)


def request_to_size(request: int, layout: Layout) -> int:
    """Return the size of the chunk that serves a request (request2size)."""
    return max(layout.min_size, align_up(request + layout.pointer_size, layout.alignment))


def usable_size(size: int, mmapped: bool, layout: Layout) -> int:
    """Return how many bytes of a chunk of this size are the user's (malloc_usable_size)."""
    overhead = 2 * layout.pointer_size if mmapped and not layout.mmapped_overhead else layout.pointer_size
    return size - overhead


def min_large_size(pointer_size: int, alignment: int) -> int:
    """Return the smallest size that goes to a large bin (MIN_LARGE_SIZE)."""
    correction = 1 if alignment > 2 * pointer_size else 0
    return (64 - correction) * alignment


def _large_rows(machine: Machine, alignment: int) -> tuple[tuple[int, int, int], ...]:
    """Return the rows of all large bins, as _WIDE_BINS has them."""
    first = _FIRST_LARGE_BIN - (min_large_size(machine.pointer_size, alignment) >> _NARROW_SHIFT)
    return (_NARROW_SHIFT, machine.malloc.last_narrow_bin - first, first), *_WIDE_BINS


def bin_index(size: int, machine: Machine, alignment: int) -> int:
    """Return the small or large bin (2..126) of a chunk size (bin_index)."""
    if size < min_large_size(machine.pointer_size, alignment):
        correction = 1 if alignment > 2 * machine.pointer_size else 0
        return size // alignment + correction
    for shift, last, first_index in _large_rows(machine, alignment):
        if size >> shift <= last:
            return first_index + (size >> shift)
    return 126


@cache
def bin_ranges(machine: Machine, alignment: int) -> tuple[tuple[int, int | None], ...]:
    """Return (smallest, largest) chunk size of every bin 0..127; largest None means no bound, (0, 0) an unused bin.

    Bin 1 (unsorted) takes every size.
    """
    ranges: list[tuple[int, int | None]] = [(0, 0)] * NBINS
    pointer_size = machine.pointer_size
    ranges[UNSORTED_BIN] = (4 * pointer_size, None)
    large = min_large_size(pointer_size, alignment)
    for size in range(4 * pointer_size, large, alignment):
        ranges[bin_index(size, machine, alignment)] = (size, size)
    start = large
    for shift, last, first_index in _large_rows(machine, alignment):
        for value in range(start >> shift, last + 1):
            # Bin 120 is the last of one row and the first of the next.
            low = ranges[first_index + value][0] or max(start, value << shift)
            ranges[first_index + value] = (low, ((value + 1) << shift) - alignment)
        start = (last + 1) << shift
    ranges[126] = (ranges[126][0], None)
    return tuple(ranges)


def fastbin_size(index: int, layout: Layout) -> int:
    """Return the chunk size that fastbin `index` holds; an i386 with 16-byte alignment leaves the odd ones empty."""
    return (index + 2) * 2 * layout.pointer_size


def tcache_range(index: int, layout: Layout) -> tuple[int, int]:
    """Return (smallest, largest) chunk size of a tcache bin.

    glibc 2.42 put 12 bins of growing width after the 64 exact ones (large_csize2tidx).
    """
    if index < _TCACHE_SMALL_BINS:
        size = layout.min_size + index * layout.alignment
        return size, size
    step = index - _TCACHE_SMALL_BINS
    largest_small = layout.min_size + (_TCACHE_SMALL_BINS - 1) * layout.alignment
    first = largest_small + layout.alignment if step == 0 else 0x400 << step
    return first, (0x800 << step) - layout.alignment
