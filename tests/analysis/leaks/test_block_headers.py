"""Which offsets are where a header ends: many blocks, and most of all or of one size."""

from __future__ import annotations

import numpy as np

from gdbheap.analysis.leaks.block_headers import FEWEST, Header, Headers, find_headers
from gdbheap.analysis.leaks.interior import InteriorPointers


def headers(pointers: list[tuple[int, int]], sizes: list[int], to_start: tuple[int, ...] = ()) -> Headers:
    """Return the headers that pointers (block, offset) tell of."""
    target, offset = zip(*pointers)
    inside = InteriorPointers(np.array(target, np.int32), np.array(offset, np.uint32))
    return find_headers(inside, np.isin(np.arange(len(sizes)), to_start), np.array(sizes, np.uint64), 8, 4096)


def found(pointers: list[tuple[int, int]], sizes: list[int], to_start: tuple[int, ...] = ()) -> tuple[Header, ...]:
    """Return those at one offset."""
    return headers(pointers, sizes, to_start).found


def test_many_blocks_that_all_pointers_lead_to_one_offset_of():
    sizes = [0x40 + 0x10 * index for index in range(FEWEST)]
    assert found([(index, 24) for index in range(FEWEST)], sizes) == (Header(24, None),)
    assert found([(index, 24) for index in range(FEWEST - 1)], sizes) == ()


def test_a_pointer_farther_inside_does_not_matter_one_nearer_or_to_the_start_does():
    sizes = [0x100] * FEWEST
    pointers = [(index, 24) for index in range(FEWEST)]
    assert found([*pointers, *((index, 64) for index in range(FEWEST))], sizes) == (Header(24, None),)
    assert found([*pointers, (0, 8)], sizes) == ()
    assert found(pointers, sizes, to_start=(3,)) == ()


def test_where_the_header_grows_with_the_block_it_is_found_by_the_size():
    sizes = [0x100] * 30 + [0x400] * 30 + [0x800] * 90 + [0x30] * 30
    pointers = [(index, 0x20 if index < 30 else 0x80) for index in range(60)]
    # Nothing is told by what lies at every offset, at half words, or in the blocks' second halves.
    pointers += [(60 + index, 8 * (1 + index % 60)) for index in range(90)] + [
        (150 + index, 0x20) for index in range(30)
    ]
    assert found(pointers, sizes) == (Header(0x20, None), Header(0x80, 0x400))
    assert found(pointers[:150], sizes) == (Header(0x20, 0x100), Header(0x80, 0x400))
    assert found([(150 + index, 0x20) for index in range(30)] + pointers[30:150], sizes) == (Header(0x80, 0x400),)
    assert found([(index, 17) for index in range(30)], sizes) == ()


def test_a_second_header_is_found_among_what_the_first_leaves():
    sizes = [0x40 + 0x10 * index for index in range(340)]
    pointers = [(index, 16) for index in range(300)] + [(300 + index, 32) for index in range(20)]
    strays = [(320 + index, 8 * index + 40) for index in range(20)]
    assert found([*pointers, *strays], sizes) == (Header(16, None), Header(32, None))
    more = [(320 + index, 8 * index + 40) for index in range(41)]
    assert found([*pointers, *more], [*sizes, *range(0x10000, 0x10000 + 21 * 16, 16)]) == (Header(16, None),)


def test_a_header_that_is_the_same_part_of_blocks_of_all_sizes_is_found():
    # Elements of 32 bytes behind 8 bytes of hashes for each (malloc adds a word, and rounds up to 16).
    counts = [8] * 10 + [16] * 8 + [64] * 3 + [1024]
    sizes = [(40 * count + 8 + 15) // 16 * 16 for count in counts]
    made = headers([(index, 8 * count) for index, count in enumerate(counts)], sizes)
    assert made.parts == (5,)
    larger = np.array([40 * 4096 + 16, 40 * 4096 + 0x1000, 40 * 4096 + 64], np.uint64)
    assert made.end_at(np.full(3, 8 * 4096, np.uint64), larger).tolist() == [True, True, False]
    # Pointers to the ends of blocks, and of blocks of two sizes, tell nothing.
    assert headers([(index, 40 * count) for index, count in enumerate(counts)], sizes).parts == ()
    assert headers([(index, 8 * count) for index, count in enumerate(counts[:18])], sizes[:18]).parts == ()
