"""Each value once, against Python's sets."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.process.columns.distinct import (
    are_among,
    codes_of,
    counted,
    distinct,
    distinct_of_sorted,
    first_of_each,
    firsts_of,
)


def test_each_value_is_there_once_in_order():
    for length in (0, 1, 2, 100):
        values = [random.randrange(30) for _ in range(length)]
        assert distinct(np.array(values, np.uint64)).tolist() == sorted(set(values))
        assert distinct_of_sorted(np.array(sorted(values), np.int32)).tolist() == sorted(set(values))


def test_numbers_are_counted_whether_small_or_large():
    for length in (0, 1, 40):
        numbers = [random.choice((3, 17, 1 << 40, random.randrange(30))) for _ in range(length)]
        values, times = counted(np.array(numbers, np.int64))
        assert values.tolist() == sorted(set(numbers))
        assert times.tolist() == [numbers.count(each) for each in sorted(set(numbers))]


def test_rows_that_are_alike_in_all_columns_have_one_number():
    for length in (0, 1, 5, 300):
        columns = [[random.choice((0, 7, 1 << 63, random.getrandbits(64))) for _ in range(length)] for _ in range(3)]
        codes = codes_of(*(np.array(column, np.uint64) for column in columns)).tolist()
        rows = list(zip(*columns))
        assert len(set(zip(codes, rows))) == len(set(codes)) == len(set(rows))
        assert codes == [sorted(set(rows)).index(row) for row in rows]
        assert firsts_of(np.array(codes, np.int64)).tolist() == [rows.index(row) for row in sorted(set(rows))]


def test_numbers_of_any_size_and_sign_are_told_apart():
    kinds = (np.int8, np.uint8, np.bool_, np.int32, np.uint32, np.int64, np.uint64)
    for kind in kinds:
        ends = (0, 1) if kind is np.bool_ else (np.iinfo(kind).min, np.iinfo(kind).max)
        for other in kinds:
            low = 0 if other is np.bool_ else np.iinfo(other).min
            columns = np.array([ends[1], ends[0], ends[1], 1], kind), np.array([1, low, 1, low], other)
            rows = list(zip(*(column.tolist() for column in columns)))
            assert codes_of(*columns).tolist() == [sorted(set(rows)).index(row) for row in rows]


def test_what_is_among_the_known_is_what_a_set_has():
    for length in (0, 1, 40):
        values = [random.choice((random.randrange(30), random.getrandbits(64))) for _ in range(60)]
        known = sorted(random.sample(values, length) + [random.getrandbits(64) for _ in range(length)])
        answer = are_among(np.array(values, np.uint64), np.array(known, np.uint64))
        assert answer.tolist() == [each in set(known) for each in values]
        assert are_among(np.array([], np.uint64), np.array(known, np.uint64)).tolist() == []


@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_where_each_number_comes_first_is_told_of_few_and_of_many(count):
    numbers = [random.Random(count).randrange(100) for _ in range(count)]
    for end in (100, 1 << 20):
        found = first_of_each(np.array(numbers, np.int32), end).tolist()
        assert found == [numbers.index(each) for each in sorted(set(numbers))]
