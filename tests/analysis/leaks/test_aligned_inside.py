"""Pointers to memory that was aligned by hand: the block's start is kept in the word before, or in the second one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gdbheap.analysis.leaks.aligned_inside import AlignedInside

LAYOUT: Any = SimpleNamespace(pointer_size=8, alignment=16)


def taken(own: list[tuple[int, int]], pointers: list[tuple[int, int]]) -> list[bool]:
    """Return which pointers (block, offset) are taken for such, where the blocks keep their starts at (block, place).
    Blocks are 0x400 apart, and their starts are 0x10 beyond a multiple of 0x20."""
    source, place = (np.array(column) for column in zip(*own)) if own else (np.empty(0, int), np.empty(0, int))
    edges: Any = SimpleNamespace(
        source=source.astype(np.int32),
        target=source.astype(np.int32),
        place=place.astype(np.uint32),
        offset=np.zeros(len(source), np.uint32),
    )
    blocks: Any = SimpleNamespace(start=np.arange(0x10010, 0x20010, 0x400, dtype=np.uint64))
    target, offset = (np.array(column) for column in zip(*pointers))
    found = AlignedInside(LAYOUT, blocks, edges).at(target.astype(np.int32), offset.astype(np.uint64))
    return [bool(each) for each in found]


@pytest.mark.parametrize(
    ("own", "pointer", "is_taken"),
    [
        ((0, 0x28), (0, 0x30), True),  # before it
        ((0, 0x38), (0, 0x30), True),  # ld.so's
        ((0, 0x28), (0, 0x50), False),  # somewhere else
        ((1, 0x28), (0, 0x30), False),  # another block's
        ((0, 0x18), (0, 0x20), False),  # not aligned
        ((0, 0x08), (0, 0x10), False),  # as a list's head at the start of a block has it
    ],
)
def test_the_start_is_kept_beside_an_aligned_place(own, pointer, is_taken):
    assert taken([own], [pointer]) == [is_taken]


def test_at_the_very_start_it_counts_where_another_block_shows_it():
    assert taken([(0, 0x08), (1, 0x28)], [(0, 0x10), (1, 0x30)]) == [True, True]


def test_blocks_that_keep_nothing_are_not_taken():
    assert taken([], [(0, 0x10)]) == [False]
