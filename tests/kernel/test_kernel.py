"""The compiled loops against numpy and plain loops, on heaps as they are and on words that could be anything."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gdbheap.allocators.blocks import Blocks
from gdbheap.analysis.leaks.keys import StartTable
from gdbheap.analysis.objects import block_words
from gdbheap.analysis.pointers import reach
from gdbheap.analysis.pointers.adjacency import Adjacency
from gdbheap.analysis.pointers.graph import FoundEdges, PointerFilter
from gdbheap.analysis.pointers.hidden import Hidden
from gdbheap.analysis.pointers.pointer_scan import Bounds
from gdbheap.errors import MemoryFault
from gdbheap.glibc.walk.free_lists import _follow
from gdbheap.glibc.walk.walk import Walker
from gdbheap.kernel import kernel as kernel_module
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.columns.distinct import coded, rows_of_each
from gdbheap.process.columns.first_words import FirstWords
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.columns.ranges import Ranges
from gdbheap.process.columns.starts import Starts
from gdbheap.process.columns.walk import walk
from gdbheap.process.memory import ImageMemory
from support.kernels import compiled

BASE = 0x5555_0000_0000
ANYTHING = (0, 1, 8, 0x10, (1 << 63) - 1, 1 << 63, (1 << 64) - 8, (1 << 64) - 1)


def both(monkeypatch, work):
    """Return what the work gives by numpy and by the kernel."""
    answers = []
    for used in (None, compiled()):
        monkeypatch.setattr(kernel_module, "_loaded", [used])
        answers.append(work())
    return answers


def heap_of(random_one: random.Random, count: int, low: int, largest: int) -> Blocks:
    sizes = [16 * random_one.randint(2, largest) for _ in range(count)]
    gaps = [random_one.choice((0, 0, 16, 64, 1 << 20)) for _ in range(count)]
    start = np.cumsum([low, *(size + gap for size, gap in zip(sizes, gaps))][:count], dtype=np.uint64)
    size = np.array(sizes, np.uint64)
    return Blocks(start, start + size - np.uint64(8), size, np.arange(count))


def words_into(random_one: random.Random, blocks: Blocks, count: int) -> list[int]:
    """Return words as a heap has them: pointers to starts, into blocks, right behind them, and anything."""
    found = []
    for _ in range(count):
        block = random_one.randrange(len(blocks))
        start, end = int(blocks.start[block]), int(blocks.end[block])
        found.append(
            random_one.choice((start, end, end - 1, start - 1, random_one.randrange(start, end)))
            if random_one.random() < 0.7
            else random_one.choice((*ANYTHING, random_one.getrandbits(64), random_one.getrandbits(47)))
        )
    return found


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_those_that_numpy_finds(monkeypatch, seed):
    random_one = random.Random(seed)
    blocks = heap_of(random_one, random_one.choice((1, 40, 3000)), random_one.choice((4096, 0x5555_0000_0000)), 60)
    address = int(blocks.start[len(blocks) // 2]) - 64 & -8
    words = np.array(words_into(random_one, blocks, 4000), np.uint64)
    place = np.arange(len(words), dtype=np.uint32)
    kept = place[np.sort(np.array(random_one.sample(range(len(words)), 3000)))]
    pieces = [(address, 8 * len(words), kept, words[kept])]
    pieces += [(address + 8 * len(words), 800, place[:100], words[:100]), (8, 80, place[:10], words[:10])]

    def work():
        found = FoundEdges(PointerFilter(Blocks(*vars_of(blocks)), X86_64))
        for piece in pieces:
            found.add(piece)
        return found.columns()

    plain, fast = both(monkeypatch, work)
    columns = (np.int32, np.uint32, np.int32, np.uint32)
    for one, other, kind in zip(plain, fast, columns):
        assert one.astype(kind).tolist() == other.astype(kind).tolist()


def vars_of(blocks: Blocks) -> tuple[np.ndarray, ...]:
    return blocks.start, blocks.end, blocks.size, blocks.row


@pytest.mark.parametrize("seed", range(6))
def test_the_words_that_are_kept_are_those_that_numpy_keeps(monkeypatch, seed):
    random_one = random.Random(seed)
    low, high = sorted(random_one.getrandbits(random_one.choice((20, 47, 64))) for _ in range(2))
    words = [
        random_one.choice((low, low - 1, high, high - 1, *ANYTHING, random_one.getrandbits(47))) for _ in range(999)
    ]
    words += [random_one.randint(low, high) | random_one.getrandbits(16) << 48 for _ in range(999)]
    column = np.array([word % (1 << 64) for word in words], np.uint64)
    few = np.where(np.arange(len(column)) // 50 % 3, column, np.uint64(0))  # most fours hold none
    column = np.concatenate((column, few, column[:3]))
    bounds = Bounds(X86_64, low, high)
    plain, fast = both(monkeypatch, lambda: bounds.within(column))
    assert plain[0].tolist() == fast[0].tolist()
    assert plain[1].tolist() == fast[1].tolist()


@pytest.mark.parametrize("seed", range(6))
def test_words_decode_to_addresses_by_a_key_as_numpy_says(monkeypatch, seed):
    random_one = random.Random(seed)
    near = random_one.choice((1 << 12, 1 << 20, 1 << 44))
    addresses = sorted({BASE + 16 * random_one.randrange(near) for _ in range(3000)} | {0, (1 << 64) - 16})
    key = random_one.choice((0, (1 << 64) - 1, random_one.getrandbits(64)))
    words = [random_one.choice(addresses) ^ key ^ random_one.choice((0, 0, 1, 16)) for _ in range(4000)]
    column, known = np.array([*words, *ANYTHING], np.uint64), np.array(addresses, np.uint64)

    def hits():
        found = np.zeros(len(column), np.uint8)
        table = StartTable(known)
        for _ in range(2):
            table.add_hits(column, key, found)
        return found.tolist(), table.holds(column).tolist(), StartTable(known[:0]).holds(column).any()

    plain, fast = both(monkeypatch, hits)
    assert plain == fast
    of_key = [2 * (word ^ key in set(addresses)) for word in column.tolist()]
    assert plain == (of_key, [word in set(addresses) for word in column.tolist()], False)


@pytest.mark.parametrize("seed", range(4))
def test_words_lie_in_ranges_as_numpy_says(monkeypatch, seed):
    random_one = random.Random(seed)
    ends = sorted({0, (1 << 64) - 1, *(random_one.getrandbits(random_one.choice((12, 47, 64))) for _ in range(40))})
    ranges = [(low, high) for low, high in zip(ends, ends[1:]) if random_one.random() < 0.7]
    words = [each % (1 << 64) for end in ends for each in (end - 1, end, end + 1, random_one.getrandbits(64))]
    column = np.array(words, np.uint64).reshape(-1, 2)
    plain, fast = both(monkeypatch, lambda: Ranges(ranges).hold(column).tolist())
    assert plain == fast
    assert plain == [[any(low <= word < high for low, high in ranges) for word in row] for row in column.tolist()]


@pytest.mark.parametrize(
    "starts",
    [
        [0],
        [(1 << 64) - 1],
        [5, 5, 5, 5],
        [0, (1 << 64) - 1],
        [*range(0, 1 << 20, 16), *range(1 << 40, (1 << 40) + 99)],
        [16, 17, *range(1 << 17, 1 << 20, 1 << 15)],
    ],
)
def test_starts_are_found_wherever_they_lie(starts):
    column = np.array(starts, np.uint64)
    asked = [random.Random(7).choice(starts) + near for near in range(-900, 900)]
    addresses = np.array([each % (1 << 64) for each in (*asked, *ANYTHING, *starts)], np.uint64)
    fast = compiled()
    table = fast.table(column, *Starts(column)._regions())
    assert fast.before(table, addresses).tolist() == (np.searchsorted(column, addresses, side="right") - 1).tolist()


@pytest.mark.parametrize(
    ("following", "row"),
    [
        ([1, 2, -1], 0),
        ([1, 2, 0], 0),
        ([-1], 0),
        ([0], 0),
        ([2, -1, 1, 4, 3], 0),
        ([2, -1, 1, 4, 3], 3),
    ],
)
def test_lists_are_followed_to_their_end_or_not_at_all(monkeypatch, following, row):
    plain, fast = both(monkeypatch, lambda: _follow(np.array(following, np.int32), row))
    assert (plain is None) == (fast is None)
    assert plain is None or plain.tolist() == fast.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_a_narrow_front_goes_on_as_the_plain_loop_does(monkeypatch, seed):
    random_one = random.Random(seed)
    count = random_one.choice((3, 40, 2000, 60_000))
    lists = random_one.random() < 0.5
    source = np.sort(np.array([random_one.randrange(count) for _ in range(count if lists else 3 * count)], np.int32))
    if lists:
        source = np.arange(count - 1, dtype=np.int32)
    target = np.array([random_one.randrange(count) for _ in range(len(source))], np.int32)
    if lists and random_one.random() < 0.5:
        target = source + np.int32(1)
    front = np.array(random_one.sample(range(count), min(count, 2)), np.int32)
    monkeypatch.setattr(reach, "_WIDE", random_one.choice((1, 10, 256)))

    def go_on():
        owner = np.full(count, -1, np.int32)
        owner[front] = front
        waiting, is_long = reach._narrow(Adjacency(count, source, target), front, owner)
        return waiting.tolist(), is_long, owner.tolist()

    def reached():
        owner = np.full(count, -1, np.int32)
        owner[front] = front
        reach.spread(Adjacency(count, source, target), front, owner)
        return (owner >= 0).tolist()

    # (To the kernel no list is long.)
    monkeypatch.setattr(reach, "_LONG", 1 << 20)
    plain, fast = both(monkeypatch, go_on)
    assert plain == fast
    monkeypatch.setattr(reach, "_LONG", random_one.choice((1, 50, 1 << 14)))
    plain, fast = both(monkeypatch, reached)
    assert plain == fast


@pytest.mark.parametrize("lead", [3, 1 << 30, (1 << 31) - 1, -5])
def test_a_list_that_leads_out_of_its_array_is_none(lead):
    followed = compiled().follow(np.array([1, lead, 0], np.int32), 0)
    assert followed is None if lead >= 0 else followed.tolist() == [0, 1]
    assert compiled().follow(np.array([1, -1], np.int32), 2) is None
    assert compiled().follow(np.array([1, -1], np.int32), -1) is None


@pytest.mark.parametrize("raw", [*ANYTHING, 0x21, 0x18, (1 << 64) - 16])
def test_no_size_leads_out_of_the_words(raw):
    rows = np.full(20, -1, np.int64)
    words = np.array([0, 0x21, 0, 0, 0, raw, 0, 0, 0, 0], np.uint64)
    found, position = compiled().chain(words, (1, len(words)), (0x20, 8), rows[:16])
    assert rows[:found].tolist() == [1, 5][:found]
    assert rows[16:].tolist() == [-1] * 4
    assert position == (5 + (raw >> 3) if found == 2 else 5)
    assert compiled().chain(words, (99, 100), (0x20, 8), rows[:16]) == (0, 99)
    assert compiled().chain(np.full(64, 16, np.uint64), (1, 64), (16, 8), rows[:4])[0] == 4


def test_pages_are_read_where_the_process_has_touched_them(tmp_path):
    page = 4096
    (tmp_path / "memory").write_bytes(bytes(range(1, 256)) * (6 * page // 255 + 1))
    content = (tmp_path / "memory").read_bytes()
    for touched in ([1, 1, 1, 1, 1], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0], [0] * 5):
        for start, size in ((0, 5 * page), (5, 5 * page - 5), (page - 1, 2), (page - 1, 3 * page + 2), (17, 1)):
            buffer = bytearray(b"?" * (size + 8))
            first = start // page
            with open(tmp_path / "memory", "rb") as file:
                handles = 0, file.fileno()  # no process has this number
                done = compiled().read_pages(handles, start, memoryview(buffer)[:size], bytes(touched[first:]), page)
            expected = bytes(content[at] if touched[at // page] else 0 for at in range(start, start + size))
            assert (done, bytes(buffer)) == (size, expected + b"?" * 8)


def test_a_read_that_fails_says_how_far_it_came(tmp_path):
    (tmp_path / "memory").write_bytes(b"x" * 5000)
    buffer = bytearray(8192)
    with open(tmp_path / "memory", "rb") as file:
        assert compiled().read_pages((0, file.fileno()), 0, memoryview(buffer), b"\1\1", 4096) == 5000
    assert compiled().read_pages((0, -1), 0, memoryview(buffer), b"\1\1", 4096) == 0


@pytest.mark.parametrize("seed", range(4))
def test_chunks_and_their_first_words_are_those_that_numpy_takes(monkeypatch, seed):
    random_one = random.Random(seed)
    words = np.array([random_one.getrandbits(64) for _ in range(600)], np.uint64)
    rows = np.array(sorted(random_one.sample(range(1, 598), 150)), np.int64)
    mems = rows + 1  # the last ones may be the last word, or behind it
    mems[-1] = random_one.choice((598, 599, 600))
    start = np.uint64(BASE) + np.uint64(8) * np.array(sorted(random_one.sample(range(700), 200)), np.uint64)
    buffer = memoryview(bytearray(words.tobytes()))
    shape: Any = SimpleNamespace(pointer_size=8, alignment=16, min_size=32)
    walker = Walker(ImageMemory([]), shape)

    def work():
        first_words, head = FirstWords(), np.zeros((len(start), 2), np.uint64)
        first_words.see(BASE, np.frombuffer(buffer, np.uint64), mems)
        known = first_words.give(start, head)
        columns = walker._columns(words, rows, BASE)
        return [each.tolist() for each in (head, known, *columns)]

    plain, fast = both(monkeypatch, work)
    assert plain == fast
    within = {BASE + 8 * mem: mem for mem in mems.tolist()}
    for mem, head, known in zip(start.tolist(), *fast[:2]):
        place = within.get(mem)
        assert known == (place is not None)
        assert head == ([0, 0] if place is None else [int(words[at]) if at < 600 else 0 for at in (place, place + 1)])


@pytest.mark.parametrize("spans", [[(BASE, BASE + (1 << 20))], [(0x10000, 0x20000), (BASE, BASE + (1 << 33))]])
def test_words_with_tags_are_those_that_numpy_takes(monkeypatch, spans):
    random_one = random.Random(len(spans))
    tags = (0, 0, 0, 1 << 47, 0xFFFF << 48, 1 << 63)
    words = [random_one.choice(tags) | random_one.choice(spans)[0] + random_one.randrange(1 << 22) for _ in range(3000)]
    words += [random_one.getrandbits(64) for _ in range(200)] + list(ANYTHING)
    random_one.shuffle(words)

    def work():
        hidden, bounds = Hidden(X86_64, spans), Bounds(X86_64, spans[0][0], spans[-1][1])
        left = hidden.take(BASE, np.array(words, np.uint64), *bounds.within(np.array(words, np.uint64)))
        return [each.tolist() for each in (*left, *hidden.tagged())]

    plain, fast = both(monkeypatch, work)
    assert plain == fast
    assert all(word < 1 << 47 for word in fast[1]) and all(word >= 1 << 47 for word in fast[3]) and fast[3]


@pytest.mark.parametrize("seed", range(6))
def test_words_at_many_addresses_are_those_that_numpy_takes(monkeypatch, seed):
    random_one = random.Random(seed)
    pages = {BASE + page * 4096 for page in range(300) if random_one.random() < 0.9}
    memory = ImageMemory([(page, random_one.randbytes(4096)) for page in pages])
    near, step = random_one.choice((60, 4096, 40_000)), random_one.choice((1, 8, 8))
    places = {random_one.randrange(300 * 4096) // step * step for _ in range(300 * 4096 // near)}
    ordered = sorted(BASE + place for place in places)
    if seed % 2:  # in any order, and some of them twice
        ordered = random_one.choices(ordered, k=len(ordered))
    addresses = np.array(ordered, np.uint64)
    plain, fast = both(monkeypatch, lambda: gather_known(memory, 8, addresses, 5))
    expected = []
    for address in addresses.tolist():
        try:
            data = memory.read(address, 40)
        except MemoryFault:
            data = None
        expected.append(None if data is None or address % 8 else np.frombuffer(data, np.uint64).tolist())
    for words, known in (plain, fast):
        assert [row if is_known else None for row, is_known in zip(words.tolist(), known.tolist())] == expected
        assert not words[~known].any()


@pytest.mark.parametrize("seed", range(4))
def test_first_words_of_blocks_are_those_that_numpy_takes(monkeypatch, seed):
    random_one = random.Random(seed)
    blocks = heap_of(random_one, 200, BASE, 9)
    end = int(blocks.end[-1])
    memory = ImageMemory([(BASE, random_one.randbytes(3000)), (BASE + 4096, random_one.randbytes(end - BASE))])
    rows = np.sort(np.array(random_one.sample(range(200), 120)))
    space = AddressSpace([VMA(BASE, end + 4096, "rw-p")])

    def words():
        monkeypatch.setattr(block_words, "BLOCK", 4096)
        return block_words.read_block_words(memory, blocks, rows, space, X86_64).words.tolist()

    plain, fast = both(monkeypatch, words)
    assert plain == fast


@pytest.mark.parametrize("seed", range(20))
def test_lists_that_meet_and_go_round_give_each_node_once(monkeypatch, seed):
    chance = random.Random(seed)
    count = chance.choice((1, 5, 60))
    following = np.array([chance.choice((-1, chance.randrange(count))) for _ in range(count)], np.int32)
    is_open = [chance.random() < 0.8 for _ in range(count)]
    starts = np.array([chance.randrange(count) for _ in range(chance.randrange(4))], np.int32)
    expected, left = [], list(is_open)
    for node in starts.tolist():
        while following[node] >= 0 and left[following[node]]:
            left[following[node]] = False
            expected.append((int(following[node]), node))
            node = int(following[node])

    def work():
        mask = np.array(is_open, np.bool_)
        path, before = walk(following, mask, starts)
        return list(zip(path.tolist(), before.tolist())), mask.tolist()

    assert both(monkeypatch, work) == [(expected, left)] * 2


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [np.uint64, np.int64, np.int32, np.uint32])
def test_values_are_coded_as_numpy_does(monkeypatch, seed, kind):
    random_one = random.Random(seed)
    most, least = np.iinfo(kind).max, np.iinfo(kind).min
    different = [random_one.randint(int(least), int(most)) for _ in range(random_one.choice((1, 60, 3000, 40_000)))]
    values = np.array(random_one.choices([*different, int(least), int(most), 0], k=50_000), kind)
    one, other = both(monkeypatch, lambda: [each.tolist() for each in coded(values)])
    truth = np.unique(values, return_index=True, return_inverse=True)
    assert one == other == [each.reshape(-1).tolist() for each in truth]
    which = np.array(one[2])
    order, ends = rows_of_each(which, len(one[0]))
    assert order.tolist() == sorted(range(len(which)), key=one[2].__getitem__)
    assert ends.tolist() == [sum(which <= code) for code in range(len(ends))] if len(ends) < 100 else ends[-1] == 50_000


def test_values_that_meet_in_the_table_are_coded_all_the_same(monkeypatch):
    # (The lowest bits of a product by an odd number are those of its factor's: all of these have one place.)
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    mixed = [(row * inverse) % (1 << 64) for row in range(5000)]
    values = np.array([_unmixed(each) for each in mixed] * 8, np.uint64)
    one, other = both(monkeypatch, lambda: [each.tolist() for each in coded(values)])
    assert one == other and len(one[0]) == 5000
    assert compiled().codes(values, 1 << 13) is None


def _unmixed(value: int) -> int:
    """Return what gives `value` when it is XORed with itself shifted by 29 bits."""
    found = value
    for _ in range(3):
        found = value ^ found >> 29
    return found
