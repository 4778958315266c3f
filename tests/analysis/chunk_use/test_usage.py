"""Counting chunks by state, arena and size, against sums made chunk by chunk."""

from __future__ import annotations

import random

import numpy as np

from gdbheap.analysis.chunk_use.usage import Tally, usage, usage_by_arena
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, ChunkTable, State


def table(rows: list[tuple[int, int, State, int]]) -> ChunkTable:
    """Make a table of (address, size, state, arena)."""
    columns = list(zip(*rows)) or [(), (), (), ()]
    return ChunkTable(
        np.array(columns[0], np.uint64),
        np.array(columns[1], np.uint64),
        np.ones(len(rows), np.uint8),
        np.array(columns[2], np.uint8),
        np.array(columns[3], np.uint16),
    )


def test_every_chunk_is_counted_once_in_its_arena_and_state() -> None:
    seed = 20261121
    print("seed", seed)
    choose = random.Random(seed)
    arenas, states = (0, 1, 7, MMAPPED_ARENA), list(State)
    rows = [
        (n << 16, choose.randrange(2, 1 << 40) * 16, choose.choice(states), choose.choice(arenas)) for n in range(999)
    ]
    found = usage_by_arena(table(rows))
    assert set(found) == set(arenas)
    for arena in arenas:
        for state in State:
            sizes = [size for _, size, its_state, its_arena in rows if (its_state, its_arena) == (state, arena)]
            assert found[arena].of(state) == Tally(len(sizes), sum(sizes))
    free = [size for _, size, state, _ in rows if state.is_free]
    assert usage(table(rows)).free == Tally(len(free), sum(free))


def test_sums_beyond_what_a_float_holds_are_exact() -> None:
    huge = (1 << 60) + 16
    assert usage(table([(0, huge, State.IN_USE, 0), (1 << 62, 48, State.IN_USE, 0)])).in_use == Tally(2, huge + 48)


def test_an_empty_heap_has_nothing_in_use() -> None:
    assert usage(table([])).in_use == Tally(0, 0)
    assert usage_by_arena(table([])) == {}
