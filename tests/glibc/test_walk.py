"""Walking chunks over images made by hand: sizes, limits, fenceposts, holes, corruption."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.walk.heap_segment import HeapSegment, walk_stretch
from gdbheap.glibc.walk.walk import AT_LIMIT, BAD_SIZE, FENCEPOST, UNREADABLE, Walker
from gdbheap.machine.machines import machine_of_size
from gdbheap.process.fault import called
from gdbheap.process.memory import BLOCK, ImageMemory
from gdbheap.sentences.facts.said import said
from support.kernels import kernels as kernels

BASE = 0x10000


def layout(pointer_size: int) -> Any:
    return SimpleNamespace(
        machine=machine_of_size(pointer_size),
        pointer_size=pointer_size,
        alignment=16,
        min_size=4 * pointer_size,
        header=2 * pointer_size,
        has_fastbins=True,
        safe_linking=False,
    )


def heap(pointer_size: int, raws: list[int]) -> tuple[bytes, list[int]]:
    """Return the bytes of chunks with these size words, one behind the other, and their addresses."""
    code = "<QQ" if pointer_size == 8 else "<II"
    pieces, addresses, at = [], [], first(pointer_size)
    for raw in raws:
        addresses.append(at)
        size = max(raw & ~7, 2 * pointer_size)
        pieces.append(struct.pack(code, 0xAAAA, raw) + bytes(size - 2 * pointer_size))
        at += size
    return b"".join(pieces), addresses


def first(pointer_size: int) -> int:
    """Where the first chunk lies in a page: its mem is 16-byte aligned."""
    return BASE if pointer_size == 8 else BASE + 8


def stretch_over(pointer_size: int, data: bytes, limit: int | None = None) -> HeapSegment:
    memory = ImageMemory([(first(pointer_size), data)])
    walker = Walker(memory, layout(pointer_size))
    return walk_stretch(walker, BASE, first(pointer_size), limit or first(pointer_size) + len(data))


@pytest.mark.parametrize("word", [8, 4])
def test_chunks_are_found_with_flags_and_links(word: int) -> None:
    raws = [0x21, 0x41, 0x35, 0x1001, 0x20]
    data, addresses = heap(word, raws)
    image = bytearray(data)
    at = addresses[3] - first(word) + 2 * word
    image[at : at + 2 * word] = struct.pack("<QQ" if word == 8 else "<II", 111, 222)
    walk = Walker(ImageMemory([(first(word), bytes(image))]), layout(word)).walk(first(word), first(word) + len(data))
    assert walk.address.tolist() == addresses
    assert walk.raw.tolist() == raws
    row = walk.listed.tolist().index(3)
    assert (walk.fd[row], walk.bk[row]) == (111, 222)
    assert (walk.why, walk.end) == (AT_LIMIT, first(word) + len(data))
    assert walk.free_rows().tolist() == [3]


def test_a_heap_longer_than_the_buffer_is_walked_whole_whatever_straddles_the_seam() -> None:
    for lead in range(0x20, 0xA0, 0x10):
        raws = [lead | 1] + [0x51, 0x31, 0x2A1] * (2 * BLOCK // 0x320) + [0x21]
        data, addresses = heap(8, raws)
        walk = Walker(ImageMemory([(BASE, data)]), layout(8)).walk(BASE, BASE + len(data))
        assert walk.address.tolist() == addresses
        assert walk.why == AT_LIMIT


def test_a_chunk_that_reaches_past_the_limit_is_a_bad_size_not_a_chunk() -> None:
    data, addresses = heap(8, [0x41, 0x81])
    walk = Walker(ImageMemory([(BASE, data)]), layout(8)).walk(BASE, BASE + 0x80)
    assert walk.address.tolist() == addresses[:1]
    assert (walk.why, walk.raw_at_end, walk.end) == (BAD_SIZE, 0x81, addresses[1])


@pytest.mark.parametrize("raw", [0, 1, 0x19, 0x28, 0x1FFFFFFFFFFFFFF1])
def test_impossible_sizes_end_the_walk(raw: int) -> None:
    data, addresses = heap(8, [0x41, 0x41, 0x41])
    image = bytearray(data)
    struct.pack_into("<Q", image, addresses[1] - BASE + 8, raw)
    walk = Walker(ImageMemory([(BASE, bytes(image))]), layout(8)).walk(BASE, BASE + len(data))
    assert walk.address.tolist() == addresses[:1]
    assert walk.why == BAD_SIZE


def test_an_unreadable_page_ends_the_walk_where_it_begins() -> None:
    data, addresses = heap(8, [0x801, 0x7C1, 0x21, 0x21])
    walk = Walker(ImageMemory([(BASE, data)]), layout(8)).walk(BASE, BASE + 0x3000)
    assert walk.address.tolist() == addresses
    assert (walk.why, walk.end) == (UNREADABLE, BASE + len(data))


@pytest.mark.parametrize(("word", "posts"), [(8, [0x11, 0x11]), (8, [0x10, 0x11]), (8, [0x11, 0x1]), (4, [0x9, 0x9])])
def test_fenceposts_close_a_stretch(word: int, posts: list[int]) -> None:
    chunks, _ = heap(word, [0x41, 0x61])
    data = chunks + b"".join(struct.pack("<QQ" if word == 8 else "<II", 0, raw) for raw in posts)
    stretch = stretch_over(word, data, first(word) + len(data) + 0x1000)
    post = first(word) + len(chunks)
    assert stretch.ended_at_fencepost and not stretch.faults
    assert [(mark.address, mark.state) for mark in stretch.marks] == [
        (post, State.FENCEPOST),
        (post + 2 * word, State.FENCEPOST),
    ]
    assert stretch.walks[0].why == FENCEPOST
    assert (stretch.walks[0].free_rows().tolist() == [1]) is (posts[0] & 1 == 0)


def test_the_first_fencepost_of_a_heap_may_be_as_large_as_a_chunk() -> None:
    """sysmalloc() of any glibc: a top of 0x30 bytes leaves room for three headers, and the first takes two."""
    chunks, _ = heap(8, [0x45, 0x65])
    data = chunks + struct.pack("<QQQQQQ", 0, 0x21, 0, 0, 0x20, 1)
    walker = Walker(ImageMemory([(BASE, data)]), layout(8))
    stretch = walk_stretch(walker, BASE, BASE, BASE + len(data), closed=True)
    assert not stretch.faults and stretch.ended_at_fencepost and stretch.end == BASE + len(data)
    assert [size for walk in stretch.walks for size in walk.raw.tolist()] == [0x45, 0x65]
    assert [(mark.address, mark.size, mark.state) for mark in stretch.marks] == [
        (BASE + len(chunks), 0x20, State.FENCEPOST),
        (BASE + len(chunks) + 0x20, 0x10, State.FENCEPOST),
    ]


def test_a_corrupt_size_is_a_fault_and_the_walk_goes_on_behind_it() -> None:
    data, addresses = heap(8, [0x41] * 10)
    image = bytearray(data)
    struct.pack_into("<Q", image, addresses[3] - BASE + 8, 0x4141414141414141)
    stretch = stretch_over(8, bytes(image))
    walked = [address for walk in stretch.walks for address in walk.address.tolist()]
    assert walked == addresses[:3] + addresses[4:]
    assert [(fault.address, fault.message) for fault in stretch.faults] == [
        (addresses[3], called("invalid_chunk_size"))
    ]
    assert said(stretch.faults[0].detail) == (
        f"size field is 0x4141414141414141, which leads to {addresses[3] + 0x4141414141414140:#x}, into the middle of "
        f"another chunk or out of the heap; the walk resumes at {addresses[4]:#x}, the first header from which the "
        "chunks go on"
    )
    assert [(mark.address, mark.size, mark.state) for mark in stretch.marks] == [(addresses[3], 0x40, State.UNKNOWN)]


def test_where_nothing_goes_on_the_rest_is_one_unknown_piece() -> None:
    data, addresses = heap(8, [0x41, 0x41, 0x41])
    image = bytearray(data)
    image[addresses[1] - BASE :] = bytes(len(data) - (addresses[1] - BASE))
    stretch = stretch_over(8, bytes(image))
    assert [(mark.address, mark.size, mark.state) for mark in stretch.marks] == [(addresses[1], 0x80, State.UNKNOWN)]
    assert stretch.end == BASE + len(data)


class _Seen:
    """An observer that keeps all words, by address."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.mems: list[int] = []
        self.calls = 0

    def see(self, base: int, words: Any, mem: Any) -> None:
        self.calls += 1
        self.words.update((base + words.itemsize * at, word) for at, word in enumerate(words.tolist()))
        self.mems += [base + words.itemsize * place for place in mem.tolist()]


@pytest.mark.parametrize("word", [8, 4])
def test_who_looks_on_sees_what_the_walk_steps_over(word: int) -> None:
    """A chunk that reaches behind a read is seen to its end, with the next read."""
    raws = [0x1011] * (BLOCK // 0x1010) + [0x8001] + [0x41] * 400 + [0x21]
    data, addresses = heap(word, raws)
    numbered = b"".join(
        data[at : at + word] if data[at : at + word].strip(b"\0") else (at + 1).to_bytes(word, "little")
        for at in range(0, len(data), word)
    )
    seen = _Seen()
    walker = Walker(ImageMemory([(first(word), numbered)]), layout(word), observer=seen)
    walk = walker.walk(first(word), first(word) + len(data))
    assert walk.address.tolist() == addresses
    assert walk.raw.tolist() == raws
    assert sorted(set(seen.mems)) == [int(address) + 2 * word for address in walk.address.tolist()]
    assert seen.calls == 2
    assert seen.words == {
        first(word) + at: int.from_bytes(numbered[at : at + word], "little") for at in range(0, len(data), word)
    }
