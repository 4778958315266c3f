"""Memory read ahead gives what the memory gives, up to the last byte of a mapping."""

from __future__ import annotations

import pytest

from gdbheap.errors import MemoryFault
from gdbheap.process.ahead import Ahead
from gdbheap.process.memory import ImageMemory


class Counted(ImageMemory):
    reads = 0

    def read(self, address, size):
        self.reads += 1
        return super().read(address, size)


def test_what_is_read_ahead_is_what_is_there():
    data = bytes(range(256)) * 512
    memory = Counted([(0x10000, data)])
    ahead = Ahead(memory)
    places = [*range(0, len(data) - 48, 1000), 5, 70000, len(data) - 48]
    for place in places:
        assert ahead.read(0x10000 + place, 48) == data[place : place + 48]
    # (Towards the end each is read by itself, for a piece would reach beyond it.)
    assert memory.reads < len(places) / 3
    with pytest.raises(MemoryFault):
        ahead.read(0x10000 + len(data) - 8, 48)
    assert ahead.read(0x10000, 0) == b""
