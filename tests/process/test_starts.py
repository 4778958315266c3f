"""Many addresses found among many starts by a table, against a search of each."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.process.columns import starts as module
from gdbheap.process.columns.starts import Starts
from support.kernels import kernels as kernels

FAR = [0x10000, 0x7F00_0000_0000, 0x7FFF_FFFF_0000]


def made(count: int, step: int) -> np.ndarray:
    """Return so many starts in three places, some side by side, some far from each other."""
    places = [random.choice(FAR) + random.randrange(count * step) // 8 * 8 for _ in range(count)]
    return np.array(sorted({*places, *(place + 16 for place in places[: count // 2])}), np.uint64)


@pytest.mark.parametrize(("count", "step"), [(1, 16), (2, 1 << 30), (50, 16), (200, 400), (3000, 40), (3000, 100_000)])
def test_a_table_finds_what_a_search_finds(monkeypatch, count, step):
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "_FEW_ASKED", 0)
    starts = made(count, step)
    near = [int(random.choice(starts)) + random.randrange(-40, 400) for _ in range(2000)]
    ends = [0, 1, (1 << 64) - 1, int(starts[0]) - 1, int(starts[-1]), int(starts[-1]) + 1]
    addresses = np.array([*near, *ends, *starts.tolist()], np.uint64)
    found = Starts(starts).before(addresses)
    assert found.tolist() == (np.searchsorted(starts, addresses, side="right") - 1).tolist()
    assert Starts(starts).before(addresses[:2000].reshape(-1, 2)).tolist() == found[:2000].reshape(-1, 2).tolist()


def test_starts_that_crowd_in_one_place_are_searched_for(monkeypatch):
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(module, "_FEW_ASKED", 0)
    starts = np.array([*range(4096, 4196), *range(1 << 15, 1 << 20, 1 << 15)], np.uint64)
    addresses = np.arange(4000, 4300, dtype=np.uint64)
    expected = np.searchsorted(starts, addresses, side="right") - 1
    assert Starts(starts).before(addresses).tolist() == expected.tolist()
