"""Pointers with tags that the processor ignores (aarch64's TBI and MTE) lead where they would lead without; where it
looks at all bits, they lead nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.encoded import Searched, find_encoded
from gdbheap.analysis.pointers.graph import PointerFilter, read_graph, read_pointers
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.analysis.pointers.search import Values, find_words
from gdbheap.machine.aarch64.machines import AARCH64
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

BASE, SIZE, COUNT = 0xFFFF_8000_0000, 0x40, 64
TAG = 0xB << 56


def blocks() -> Blocks:
    start = np.arange(COUNT, dtype=np.uint64) * np.uint64(SIZE) + np.uint64(BASE)
    size = np.full(COUNT, SIZE, np.uint64)
    return Blocks(start, start + size, size, np.arange(COUNT))


def memory(words: dict[int, int]) -> ImageMemory:
    image = np.zeros(COUNT * SIZE // 8, np.uint64)
    for place, word in words.items():
        image[place // 8] = word
    return ImageMemory([(BASE, image.tobytes())])


@pytest.mark.parametrize(
    "address, plain",
    [
        (BASE, BASE),
        (BASE | TAG, BASE),
        (0xFF << 56 | BASE, BASE),
        (0x3FF0_0000_0000_0000, 0x3FF0_0000_0000_0000),  # 1.0
        (0xFFFF_8000_1234_5678, 0xFFFF_8000_1234_5678),  # the kernel's
    ],
)
def test_a_tag_is_taken_off_addresses_alone(address: int, plain: int) -> None:
    assert AARCH64.untagged(address) == plain
    assert X86_64.untagged(address) == address
    assert AARCH64.is_canonical(address) == (plain < 1 << 48 or plain >> 52 == 0xFFF)


def test_edges_go_by_what_the_processor_looks_at() -> None:
    image = memory({0x8: BASE + 0x40 | TAG, 0x48: BASE + 0x90})
    graph = read_graph(image, blocks(), AARCH64)
    assert list(zip(graph.source.tolist(), graph.target.tolist(), graph.offset.tolist())) == [(0, 1, 0), (1, 2, 0x10)]
    assert int(graph.head[0, 1]) == BASE + 0x40
    pointers, _ = read_pointers(image, PointerFilter(blocks(), AARCH64), [(BASE, BASE + 0x40)])
    assert (pointers.place.tolist(), pointers.target.tolist()) == ([BASE + 8], [1])


def test_a_search_for_an_address_finds_it_with_any_tag_and_one_for_a_number_does_not() -> None:
    image = memory({0x8: BASE + 0x40 | TAG, 0x10: BASE + 0x40, 0x18: 0x41 | TAG, 0x20: 0x41})
    space = AddressSpace([VMA(BASE, BASE + COUNT * SIZE, "rw-p")])
    process = Process("core", AARCH64, image, space, ())
    ranges = [(BASE, BASE + COUNT * SIZE)]
    found = find_words(image, ranges, Values.of_pointers(process, BASE + 0x40, BASE + 0x7F))
    assert list(found) == [(BASE + 8, BASE + 0x40 | TAG), (BASE + 0x10, BASE + 0x40)]
    assert list(find_words(image, ranges, Values.of_pointers(process, 0x41, 0x41))) == [(BASE + 0x20, 0x41)]


def test_notes_in_complement_are_one_ledger_whatever_the_tags() -> None:
    """A ledger of all blocks, held and lost, holds none alive, though those of one tag are all lost."""
    size = np.random.default_rng(7).integers(2, 0x400, 512).astype(np.uint64) * np.uint64(16)
    start = np.uint64(BASE) + np.cumsum(size) - size
    spread = Blocks(start, start + size, size, np.arange(len(size)))
    lost = np.arange(len(size)) % 2 == 0
    tags = np.where(lost, np.uint64(0xB << 56), np.uint64(0x3 << 56))
    notes = 0x10_0000
    image = ImageMemory([(notes, (~(start | tags)).tobytes())])
    ranges = [(notes, notes + 8 * len(size))]
    in_roots = Hidden(AARCH64, spread.ranges())
    read_pointers(image, PointerFilter(spread, AARCH64), ranges, hidden=in_roots)
    space = AddressSpace([VMA(notes, notes + 0x1000, "rw-p"), VMA(BASE, int(start[-1]) + 0x8000, "rw-p")])
    searched = Searched(image, space, spread, AARCH64, ranges, in_roots, Hidden(AARCH64, spread.ranges()))
    assert find_encoded(searched, lost) == []
