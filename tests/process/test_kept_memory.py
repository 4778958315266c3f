"""Kept memory against the memory that it keeps: the same bytes, faults and rows, each read once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.errors import MemoryFault
from gdbheap.kernel import kernel as kernel_module
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.columns.kept_memory import KeptMemory
from gdbheap.process.memory import ImageMemory
from support.kernels import compiled

BASE = 0x5000_0000


class Counting(ImageMemory):
    """Memory that counts what is asked of it."""

    asked = 0

    def read_into(self, address: int, buffer: memoryview) -> None:
        self.asked += 1
        super().read_into(address, buffer)


def made(seed: int) -> tuple[Counting, list[tuple[int, int]]]:
    """Return memory with holes in it, and spans, some of which lie in the holes or reach over them."""
    random_one = random.Random(seed)
    segments, at = [], BASE
    for _ in range(6):
        size = random_one.randrange(8, 5000)
        segments.append((at, random_one.randbytes(size)))
        at += size + random_one.choice((0, 0, 16, 4096, 1 << 16))
    cuts = sorted(random_one.sample(range(BASE - 64, at + 64), 8))
    return Counting(segments), list(zip(cuts[::2], cuts[1::2]))


@pytest.mark.parametrize("seed", range(8))
def test_bytes_and_faults_are_the_same(seed):
    memory, spans = made(seed)
    kept, random_one = KeptMemory(memory, spans), random.Random(seed)
    for _ in range(500):
        address, size = BASE + random_one.randrange(-99, 20_000), random_one.randrange(1, 80)
        try:
            truth = memory.read(address, size)
        except MemoryFault:
            with pytest.raises(MemoryFault):
                kept.read(address, size)
            continue
        assert kept.read(address, size) == truth
        buffer = bytearray(size)
        kept.read_into(address, memoryview(buffer))
        assert buffer == truth


@pytest.mark.parametrize("used", [None, compiled()], ids=["numpy", "kernel"])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [8, 4])
def test_rows_are_the_same(monkeypatch, used, seed, size):
    monkeypatch.setattr(kernel_module, "_loaded", [used])
    memory, spans = made(seed)
    random_one = random.Random(seed)
    places = sorted(random_one.randrange(-99, 20_000) & random_one.choice((-1, -8, -8)) for _ in range(400))
    addresses = np.array([BASE + place for place in places], np.uint64)
    for count in (1, 3, 40):
        truth, was_known = gather_known(memory, size, addresses, count)
        words, known = gather_known(KeptMemory(memory, spans), size, addresses, count)
        assert words.tolist() == truth.tolist() and known.tolist() == was_known.tolist()


def test_what_is_kept_is_read_once():
    memory = Counting([(BASE, bytes(range(256)) * 64)])
    kept = KeptMemory(memory, [(BASE, BASE + 0x4000)])
    for _ in range(3):
        assert kept.read(BASE + 5, 3) == bytes((5, 6, 7))
        gather_known(kept, 8, np.arange(BASE, BASE + 0x3000, 64, dtype=np.uint64), 2)
    assert memory.asked == 1
