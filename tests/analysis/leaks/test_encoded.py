"""Encoded pointers among other words: keys are found where blocks are held by them, and never where numbers are only
regular."""

from __future__ import annotations

import random

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.encoded import ROOT, Encoded, Searched, find_encoded
from gdbheap.analysis.leaks.keys import StartTable, find_keys
from gdbheap.analysis.pointers.graph import PointerFilter, read_graph, read_pointers
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory

HEAP, TABLE = 0x5555_5556_2000, 0x7FFF_F000_0000
KEYS = {
    "obfuscated": 0x5A5A_5A5A_5A5A_5A5A,
    "complement": (1 << 64) - 1,
    "lower half only": 0x5A5A_5A5A,
}


def irregular_blocks(count: int, seed: int = 1) -> list[tuple[int, int]]:
    """Return (start, size) of blocks of mixed sizes, one behind the other."""
    made, at, random_ = [], HEAP + 16, random.Random(seed)
    for _ in range(count):
        size = random_.randrange(32, 512, 16)
        made.append((at, size))
        at += size
    return made


def found(
    blocks: list[tuple[int, int]], words: list[int], in_blocks: dict[int, int] | None = None, lost=None
) -> list[Encoded]:
    """Return what is found where `words` are a root and the blocks (all of them lost, unless told) hold zeros but
    for {address: word}."""
    start = np.array([each for each, _ in blocks], np.uint64)
    size = np.array([each for _, each in blocks], np.uint64)
    heap = bytearray(int(start[-1] + size[-1]) - HEAP)
    for address, word in (in_blocks or {}).items():
        heap[address - HEAP : address - HEAP + 8] = word.to_bytes(8, "little")
    table = b"".join(word.to_bytes(8, "little") for word in words) or bytes(8)
    memory = ImageMemory([(HEAP, bytes(heap)), (TABLE, table)])
    space = AddressSpace(
        [VMA(HEAP, HEAP + (len(heap) + 0xFFF & -0x1000), "rw-p"), VMA(TABLE, TABLE + 0x100_0000, "rw-p")]
    )
    columns = Blocks(start, start + size - np.uint64(8), size, np.arange(len(blocks)))
    mask = np.ones(len(blocks), np.bool_) if lost is None else np.array(lost)
    roots = [(TABLE, TABLE + len(table))]
    in_roots, in_blocks = Hidden(X86_64, columns.ranges()), read_graph(memory, columns, X86_64).hidden
    read_pointers(memory, PointerFilter(columns, X86_64), roots, hidden=in_roots)
    return find_encoded(Searched(memory, space, columns, X86_64, roots, in_roots, in_blocks), mask)


TAGS = {
    "one for all, as in boxed doubles": lambda at: 0xFFFA,
    "one for each type": lambda at: 0xFFF4 + at % 6,
    "a counter": lambda at: at + 1,
}


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("count", [1, 40])
def test_words_that_are_pointers_but_for_tags_in_their_upper_bits_are_found(tag, count):
    blocks = irregular_blocks(400)
    words = [tag(at) << 48 | start for at, (start, _) in enumerate(blocks[::10][:count])]
    noise = np.random.default_rng(3).normal(0, 1e3, 5000).view(np.uint64).tolist()
    numbers = [0xFFF9 << 48 | at << 4 for at in range(5000)]
    # To blocks that are held otherwise, too, unlike what a ledger does.
    (encoded,) = found(blocks, [*words, *noise, *numbers], lost=[at % 20 == 0 for at in range(400)])
    assert encoded.key is None
    assert {blocks[target][0] for target in encoded.target.tolist()} == {start for start, _ in blocks[::20]} & {
        word & (1 << 47) - 1 for word in words
    }
    assert (encoded.place < TABLE + 8 * count).all()


def test_numbers_that_would_lead_anywhere_into_blocks_are_no_tagged_pointers():
    blocks = irregular_blocks(400)
    end = sum(size for _, size in blocks)
    noise = random.Random(4)
    words = [noise.randrange(1, 1 << 16) << 48 | HEAP + noise.randrange(16, end, 4) for _ in range(5000)]
    assert found(blocks, [*words, 7 << 48 | blocks[0][0]]) == []


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_words_that_one_key_makes_pointers_to_lost_blocks_are_found(key):
    blocks = irregular_blocks(400)
    noise = random.Random(3)
    words = [noise.getrandbits(64) for _ in range(1000)]
    for start, _ in blocks[::10]:
        words[noise.randrange(len(words))] = start ^ key
    expected = {(TABLE + 8 * at, word ^ key) for at, word in enumerate(words) if word ^ key in dict(blocks)}
    (encoded,) = found(blocks, words)
    assert encoded.key == key
    assert {
        (place, blocks[target][0]) for place, target in zip(encoded.place.tolist(), encoded.target.tolist())
    } == expected


def test_the_blocks_that_they_lie_in_are_told():
    blocks = irregular_blocks(400)
    key = KEYS["obfuscated"]
    held, holder = blocks[::10], [start for start, _ in blocks[1::10]]
    words = {place: start ^ key for place, (start, _) in zip(holder, held)}
    alive = set(holder[:30])
    (encoded,) = found(blocks, [held[0][0] ^ key], words, lost=[start not in alive for start, _ in blocks])
    assert set(encoded.place.tolist()) == {TABLE, *words}
    sources = encoded.source[encoded.place != TABLE]
    assert [blocks[source][0] for source in sources.tolist()] == holder
    assert encoded.source[encoded.place == TABLE].tolist() == [ROOT]


def test_words_in_free_chunks_are_none():
    blocks = irregular_blocks(400)
    places = [start for start, _ in blocks[1::10]]
    in_use = [each for each in blocks if each[0] not in places]
    for encode in (lambda at: at ^ KEYS["obfuscated"], lambda at: 7 << 48 | at):
        words = {place: encode(start) for place, (start, _) in zip(places, blocks[::10])}
        assert found(in_use, [], words) == []


def test_a_ledger_in_hiding_holds_nothing():
    blocks = irregular_blocks(400)
    words = [start ^ KEYS["complement"] for start, _ in blocks]
    assert found(blocks, words, lost=[at % 10 != 0 for at in range(400)]) == []
    assert found(blocks, words, lost=[at != 100 for at in range(400)]) == []
    assert len(found(blocks, words)) == 1


def test_a_ledger_of_which_every_fourth_block_is_lost_is_one_all_the_same():
    blocks = irregular_blocks(8000)
    words = [start ^ KEYS["complement"] for start, _ in blocks]
    for every in range(2, 9):
        assert found(blocks, words, lost=[at % every == 0 for at in range(8000)]) == []


REGULAR = [(HEAP + 16 + 32 * at, 32) for at in range(400)]
NO_POINTERS = {
    "numbers in steps of the blocks": (REGULAR, [0x12_3400_0000_0010 + 32 * at for at in range(400)]),
    "every number in steps of the alignment": (
        irregular_blocks(400),
        [0x12_3400_0000_0000 + 16 * at for at in range(5000)],
    ),
    "doubles": (irregular_blocks(400), np.arange(1.0, 5000.0).view(np.uint64).tolist()),
    "random": (irregular_blocks(4000), [random.Random(5).getrandbits(64) for _ in range(5000)]),
    "random with one upper part": (
        irregular_blocks(4000),
        [0x1234_5600_0000_0000 | random.Random(at).getrandbits(40) & -16 for at in range(5000)],
    ),
    "text": (
        irregular_blocks(400),
        np.frombuffer(b"the quick brown fox jumps over the lazy dog, " * 800, np.uint64).tolist(),
    ),
    "too few": (irregular_blocks(400), [start ^ KEYS["obfuscated"] for start, _ in irregular_blocks(400)[:7]]),
    "addresses of blocks elsewhere": (
        irregular_blocks(400),
        [start + 0x1111_0000_0000 for start, _ in irregular_blocks(400, seed=2)],
    ),
}


@pytest.mark.parametrize("name", NO_POINTERS)
def test_regular_numbers_beside_blocks_are_not_taken_for_pointers(name):
    blocks, words = NO_POINTERS[name]
    assert found(blocks, words) == []


def test_a_ledger_of_blocks_in_rows_holds_none_by_another_key_either():
    """With a few bits of the ledger's key changed, the notes on some lost blocks of a row lead to others of it."""
    for seed in range(300):
        random_, at, start, row = random.Random(seed), HEAP + 0x2A0, [], []
        for number in range(130):
            row.append(25 <= number < 115 and random_.random() < 0.97)
            start.append(at)
            at += 0x80 if row[-1] else random_.choice((0x30, 0x40, 0x40, 0x60, 0x110))
        small = [number for number in range(130) if not row[number]]
        held = random_.sample(small, min(19, len(small)))
        blocks = np.array(start, np.uint64)
        assert find_keys(~blocks, StartTable(np.delete(blocks, held)), blocks, X86_64) == [], seed
