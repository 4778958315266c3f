"""Counting resident bytes of many ranges, and what the sums come to."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.allocators.heap import HeapTop
from gdbheap.analysis.memory_use.memory_verdict import MemoryVerdict, judge_memory
from gdbheap.analysis.memory_use.residency import Residency, ResidentPart
from gdbheap.elf.core_file import open_core
from gdbheap.process.live.resident_pages import ResidentPages, pages_in_core
from support.made_core import Load, make_core

MIB = 1 << 20


def test_resident_bytes_of_ranges_equal_those_counted_one_by_one():
    choose = random.Random(8)
    print("seed 8")
    for _ in range(200):
        cuts = sorted(choose.sample(range(64), 2 * choose.randrange(8)))
        runs = list(zip(cuts[::2], cuts[1::2]))
        held = {address for start, end in runs for address in range(start, end)}
        starts = [choose.randrange(64) for _ in range(20)]
        ends = [choose.randrange(start, 65) for start in starts]
        found = ResidentPages(runs).within(np.array(starts, np.uint64), np.array(ends, np.uint64))
        assert found.tolist() == [len(held & set(range(start, end))) for start, end in zip(starts, ends)]


def test_pages_of_a_core_may_lie_where_no_signed_number_is(tmp_path):
    high = 2**64 - 0x10000
    (tmp_path / "core").write_bytes(make_core([Load(high, bytes(0x1000) + b"x" * 0x1000 + bytes(0x1000))]))
    pages = pages_in_core(open_core(str(tmp_path / "core")).process())
    assert pages is not None and int(pages.within(high, high + 0x3000)) == 0x1000


def residency(tops: list[tuple[int, int]] | None = None, **resident: int) -> Residency:
    """Make one of {part: resident bytes} and tops as (free and resident, trimmable) of arena 0, 1, ..."""
    parts = tuple(
        ResidentPart(name, size, size, of_heap=name != "anonymous", is_free=name in ("unsorted", "small"))
        for name, size in resident.items()
    )
    made = [HeapTop(index, 0, 0, None, 0, 0, free, free, trim) for index, (free, trim) in enumerate(tops or [])]
    return Residency(parts, tuple(made), sum(resident.values()))


@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (residency(in_use=90 * MIB, unsorted=20 * MIB), MemoryVerdict.LIVE),
        (residency(in_use=10 * MIB, unsorted=90 * MIB, tops=[(90 * MIB, 80 * MIB)]), MemoryVerdict.RETENTION),
        (residency(in_use=10 * MIB, small=90 * MIB, tops=[(90 * MIB, MIB)]), MemoryVerdict.FRAGMENTATION),
        (
            residency(in_use=10 * MIB, unsorted=90 * MIB, tops=[(0, 0)] + [(10 * MIB, 0)] * 9),
            MemoryVerdict.TOO_MANY_ARENAS,
        ),
        (residency(in_use=10 * MIB, anonymous=90 * MIB), MemoryVerdict.NOT_MALLOC),
        (residency(), MemoryVerdict.UNKNOWN),
    ],
)
def test_the_verdict_is_the_largest_reason(case, verdict):
    assert judge_memory(case) is verdict
