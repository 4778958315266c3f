"""What the walk has seen is not read again, and the graph is the same: blocks of it seen in any order, overlapping,
once or twice or not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.analysis.pointers.graph import read_graph
from gdbheap.analysis.pointers.pointer_scan import PointerScan
from gdbheap.machine.machines import machine_of_size
from gdbheap.machine.x86.machines import I386, X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from support.kernels import kernels as kernels
from support.made_graph import BASE, PAGE, blocks_of, edges

PAGES = 16
SPACE = AddressSpace([VMA(BASE, BASE + PAGES * PAGE, "rw-p")])


class CountedMemory(ImageMemory):
    """Counts the bytes that are read."""

    count = 0

    def read_into(self, address: int, buffer: memoryview) -> None:
        self.count += len(buffer)
        super().read_into(address, buffer)


def random_blocks(dice: random.Random, pointer_size: int) -> list[tuple[int, int]]:
    """Return (offset, size) of blocks with gaps between some."""
    spans, at = [], dice.randrange(1, 8) * pointer_size
    while at < PAGES * PAGE - 0x200:
        size = dice.choice((3, 5, 7, 30, 60)) * pointer_size
        spans.append((at, size))
        at += size + dice.choice((1, 1, 3, 200)) * pointer_size
    return spans


def random_data(dice: random.Random, spans: list[tuple[int, int]], pointer_size: int) -> bytes:
    """Fill all pages with pointers into and between the blocks, numbers, and words beyond the heap."""
    words = []
    for _ in range(PAGES * PAGE // pointer_size):
        start, size = dice.choice(spans)
        near = BASE + start + dice.choice((0, 0, 1, size - 1, size, -1))
        words.append(dice.choice((near, 0, dice.randrange(1 << 8 * pointer_size - 1), BASE + PAGES * PAGE, BASE - 1)))
    return np.array(words, np.uint64 if pointer_size == 8 else np.uint32).tobytes()


@pytest.mark.parametrize("word", [8, 4])
@pytest.mark.parametrize("seed", range(20))
def test_a_graph_is_the_same_whatever_was_seen_before(seed, word):
    dice = random.Random(seed)
    spans = random_blocks(dice, word)
    data = random_data(dice, spans, word)
    memory, blocks = CountedMemory([(BASE, data)]), blocks_of(spans)
    plain = read_graph(memory, blocks, machine_of_size(word))
    sieve = PointerScan.of_space(machine_of_size(word), SPACE)
    words = np.frombuffer(data, np.uint64 if word == 8 else np.uint32)
    seen = np.zeros(len(words), np.bool_)
    told = set()
    mems = np.array([start // word for start, _ in spans])
    for _ in range(dice.randrange(8)):
        first = dice.randrange(len(words))
        last = min(first + dice.randrange(1, len(words) // 3), len(words))
        seen[first:last] = True
        # Chunks whose first 16 bytes are not all there are left to the next read, as the walk does.
        inside = mems[(mems >= first) & (mems + 16 // word <= last)]
        told |= set(inside.tolist())
        block = words[first:last].copy()
        sieve.see(BASE + first * word, block, inside - first)
        block[:] = 0
    memory.count = 0
    graph = read_graph(memory, blocks, machine_of_size(word), None, sieve)
    assert edges(graph) == edges(plain)
    assert np.all(np.diff(graph.source) >= 0)
    needed = np.zeros(len(words), np.bool_)
    for start, end in blocks.ranges():
        needed[(start - BASE) // word : (end - BASE) // word] = True
    assert memory.count == np.count_nonzero(needed & ~seen) * word
    # The walk tells of every chunk that begins in what it reads.
    known = [at for at, mem in enumerate(mems) if mem in told or not seen[mem : mem + 16 // word].any()]
    assert np.array_equal(graph.head[known], plain.head[known])


def test_every_chunk_that_was_told_of_has_its_first_words():
    data = np.arange(1, PAGE // 8 + 1, dtype=np.uint64)
    spans = [(0x10, 0x28), (0x40, 0x18), (0x60, 0x18)]
    sieve = PointerScan.of_space(X86_64, SPACE)
    sieve.see(BASE, data, np.array([2, 12, 20]))
    head = read_graph(ImageMemory([(BASE, bytes(PAGE))]), blocks_of(spans), X86_64, None, sieve).head
    assert head.tolist() == [[3, 4], [0, 0], [13, 14]]


def test_what_is_behind_the_last_word_counts_as_zeros():
    sieve = PointerScan.of_space(I386, SPACE)
    sieve.see(BASE, np.array([1, 2, 3, 4, 5], np.uint32), np.array([0, 3]))
    head = np.full((2, 4), 9, np.uint32)
    known = sieve.first_words.give(np.array([BASE, BASE + 12], np.uint64), head)
    assert head.tolist() == [[1, 2, 3, 4], [4, 5, 0, 0]]
    assert known.all()


def test_a_sieve_too_narrow_for_the_blocks_is_not_used():
    data = np.full(PAGE // 8, BASE + 0x40, np.uint64)
    sieve = PointerScan.of_space(X86_64, AddressSpace([VMA(BASE + 0x1000, BASE + 0x2000, "rw-p")]))
    sieve.see(BASE, data, np.array([2]))
    spans = [(0x10, 0x28), (0x40, 0x18)]
    memory = ImageMemory([(BASE, data.tobytes())])
    assert edges(read_graph(memory, blocks_of(spans), X86_64, None, sieve)) == {(0, 1, 0), (1, 1, 0)}
