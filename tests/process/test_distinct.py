"""Each value once, against Python's sets."""

from __future__ import annotations

import random

import numpy as np

from gdbheap.process.columns.distinct import are_among, codes_of, distinct, distinct_of_sorted


def test_each_value_is_there_once_in_order():
    for length in (0, 1, 2, 100):
        values = [random.randrange(30) for _ in range(length)]
        assert distinct(np.array(values, np.uint64)).tolist() == sorted(set(values))
        assert distinct_of_sorted(np.array(sorted(values), np.int32)).tolist() == sorted(set(values))


def test_rows_that_are_alike_in_all_columns_have_one_number():
    for length in (0, 1, 5, 300):
        columns = [[random.choice((0, 7, 1 << 63, random.getrandbits(64))) for _ in range(length)] for _ in range(3)]
        codes = codes_of(*(np.array(column, np.uint64) for column in columns)).tolist()
        rows = list(zip(*columns))
        assert len(set(zip(codes, rows))) == len(set(codes)) == len(set(rows))
        assert sorted(set(codes)) == list(range(len(set(rows))))


def test_what_is_among_the_known_is_what_a_set_has():
    for length in (0, 1, 40):
        values = [random.choice((random.randrange(30), random.getrandbits(64))) for _ in range(60)]
        known = sorted(random.sample(values, length) + [random.getrandbits(64) for _ in range(length)])
        answer = are_among(np.array(values, np.uint64), np.array(known, np.uint64))
        assert answer.tolist() == [each in set(known) for each in values]
        assert are_among(np.array([], np.uint64), np.array(known, np.uint64)).tolist() == []
