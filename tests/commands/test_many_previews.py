"""What chunks hold, said of many at once: the same as of each alone, whatever is in them."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest

from gdbheap.analysis.addresses.preview import preview
from gdbheap.analysis.addresses.previews import previews
from gdbheap.glibc.chunk_table import Chunk, ChunkTable, State
from gdbheap.process.memory import ImageMemory

BASE = 0x5555_0000_0000
CODE = 0x40_0000
WORDS = (0, 0, 1, 0xFFFF, CODE, CODE + 8, BASE + 0x20, (1 << 64) - 1, 0x6F77206F6C6C6568, 0x0000_0000_6566_6163)


def chunks_of(random_one: random.Random, pointer_size: int) -> tuple[bytes, list[Chunk]]:
    """Return memory and chunks in it: in all states, of all small sizes, with text, numbers, pointers and nothing."""
    data, chunks, at = bytearray(), [], 0
    for _ in range(300):
        size = 4 * pointer_size + 16 * random_one.choice((0, 0, 1, 2, 5, 300))
        state = random_one.choice(list(State))
        chunks.append(Chunk(BASE + at, size, 1, state, 0))
        words = [random_one.choice(WORDS) % (1 << 8 * pointer_size) for _ in range(size // pointer_size)]
        if random_one.random() < 0.3:
            words = [0] * len(words)
        data += b"".join(word.to_bytes(pointer_size, "little") for word in words)
        at += size
    return bytes(data), chunks


@pytest.mark.parametrize("pointer_size", [8, 4])
@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_many_are_said_as_each_alone(pointer_size, safe, seed):
    data, chunks = chunks_of(random.Random(seed), pointer_size)
    # The last chunks, and some in the middle, cannot be read.
    hole = len(data) // 2 & -4096
    memory = ImageMemory([(BASE, data[:hole]), (BASE + hole + 4096, data[hole + 4096 : -100]), (CODE, bytes(64))])
    layout = SimpleNamespace(pointer_size=pointer_size, header=2 * pointer_size, safe_linking=safe)

    def symbol_at(address):
        return "main" if address == CODE else None

    columns = zip(*((each.address, each.size, each.flags, int(each.state), each.arena) for each in chunks))
    kinds = (np.uint64, np.uint64, np.uint8, np.uint8, np.uint16)
    table = ChunkTable(*(np.array(column, kind) for column, kind in zip(columns, kinds)))
    many = previews(memory, layout, table, symbol_at, lambda words: words > np.uint64(0xFFFF))
    assert many == [preview(memory, layout, each, symbol_at) for each in chunks]
    sure = previews(memory, layout, table, symbol_at, lambda words: words == np.uint64(CODE))
    assert sure == many
    assert {"zeros", "unreadable", ""} <= set(many)
