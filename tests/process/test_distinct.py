"""Each value once, against Python's sets."""

from __future__ import annotations

import random

import numpy as np

from gdbheap.process.columns.distinct import distinct, distinct_of_sorted


def test_each_value_is_there_once_in_order():
    for length in (0, 1, 2, 100):
        values = [random.randrange(30) for _ in range(length)]
        assert distinct(np.array(values, np.uint64)).tolist() == sorted(set(values))
        assert distinct_of_sorted(np.array(sorted(values), np.int32)).tolist() == sorted(set(values))
