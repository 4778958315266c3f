"""Searching images: across buffers, at both ends, and past holes."""

from __future__ import annotations

import ctypes
import os
import random

import pytest

from gdbheap.analysis.pointers import search
from gdbheap.analysis.pointers.search import Values, find_bytes, find_unaligned_words, find_words
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.memory import ImageMemory

BASE, PAGE = 0x7000_0000, 0x1000


@pytest.fixture(autouse=True)
def small_buffer(monkeypatch):
    monkeypatch.setattr(search, "_BUFFER", PAGE)


@pytest.mark.parametrize("wanted", [b"x", b"xy", b"needle in the hay"])
@pytest.mark.parametrize("place", [0, 5, PAGE - 9, PAGE - 1, PAGE, 2 * PAGE - 3, "end"])
def test_bytes_are_found_once_wherever_they_lie(wanted, place):
    data = bytearray(3 * PAGE)
    at = len(data) - len(wanted) if place == "end" else place
    data[at : at + len(wanted)] = wanted
    memory = ImageMemory([(BASE, bytes(data))])
    assert list(find_bytes(memory, [(BASE, BASE + len(data))], wanted)) == [BASE + at]


def test_occurrences_may_overlap():
    memory = ImageMemory([(BASE, b"\0" * (PAGE - 2) + b"aaaa" + b"\0" * (PAGE - 2))])
    found = find_bytes(memory, [(BASE, BASE + 2 * PAGE)], b"aa")
    assert list(found) == [BASE + PAGE - 2, BASE + PAGE - 1, BASE + PAGE]


def test_bytes_do_not_join_over_a_hole():
    memory = ImageMemory([(BASE, b"\0" * (PAGE - 1) + b"a"), (BASE + 2 * PAGE, b"b" + b"\0" * (PAGE - 1))])
    assert list(find_bytes(memory, [(BASE, BASE + 3 * PAGE)], b"ab")) == []


@pytest.mark.parametrize("seam", [1, 2, 4, PAGE])
def test_bytes_that_lie_in_two_ranges_side_by_side_are_found(seam):
    data = b"\0" * (PAGE - 2) + b"abcdef" + b"\0" * (PAGE - 4)
    memory = ImageMemory([(BASE, data)])
    ranges = [(BASE, BASE + PAGE - seam), (BASE + PAGE - seam, BASE + PAGE), (BASE + PAGE, BASE + 2 * PAGE)]
    assert list(find_bytes(memory, ranges, b"abcdef")) == [BASE + PAGE - 2]


@pytest.mark.parametrize("seed", range(8))
def test_small_ranges_of_a_live_process_are_searched_together(monkeypatch, seed):
    """(The process is this one: what it holds is known without reading it.)"""
    random_ = random.Random(seed)
    monkeypatch.setattr(search, "_BUFFER", random_.choice((64, 400, PAGE, 1 << 19)))
    data = bytes(random_.choices(b"ab", k=3 * PAGE))
    kept = ctypes.create_string_buffer(data, len(data))
    base = ctypes.addressof(kept)
    edges = sorted(random_.sample(range(len(data)), 400))
    ranges = [(low, high) for low, high in zip(edges, edges[1:]) if random_.random() < 0.7]
    inside = [False] * len(data)
    for low, high in ranges:
        inside[low:high] = [True] * (high - low)
    memory = LiveMemory(os.getpid(), ImageMemory([]))
    for wanted in (b"a", b"ab", b"abbab", b"bbbbbbbbb"):
        size = len(wanted)
        truth = [at for at in range(len(data)) if data[at : at + size] == wanted and all(inside[at : at + size])]
        found = find_bytes(memory, [(base + low, base + high) for low, high in ranges], wanted)
        assert [at - base for at in found] == truth


def test_words_in_a_range_are_found_with_their_values():
    words = {0: 5, PAGE - 8: 7, PAGE: 10, 2 * PAGE - 8: 11}
    data = bytearray(2 * PAGE)
    for offset, value in words.items():
        data[offset : offset + 8] = value.to_bytes(8, "little")
    memory = ImageMemory([(BASE, bytes(data))])
    spans = [(BASE, BASE + 2 * PAGE)]
    assert list(find_words(memory, spans, Values(8, 6, 10))) == [(BASE + PAGE - 8, 7), (BASE + PAGE, 10)]
    assert next(find_words(memory, spans, Values(8, 6, 11))) == (BASE + PAGE - 8, 7)
    assert list(find_words(memory, spans, Values(2, 11, 11))) == [(BASE + 2 * PAGE - 8, 11)]
    assert list(find_words(memory, [(BASE + 1, BASE + PAGE)], Values(8, 5, 5))) == []


@pytest.mark.parametrize("place", [0, 3, PAGE - 7, PAGE - 1, PAGE, 2 * PAGE - 8])
def test_words_at_any_address_are_found_once(place):
    data = bytearray(2 * PAGE)
    data[place : place + 8] = (0x1234567890ABCDEF).to_bytes(8, "little")
    memory = ImageMemory([(BASE, bytes(data))])
    spans = [(BASE, BASE + 2 * PAGE)]
    found = find_unaligned_words(memory, spans, Values(8, 0x1234567890ABCD00, 0x1234567890ABCDFF))
    assert list(found) == [(BASE + place, 0x1234567890ABCDEF)]
    assert list(find_unaligned_words(memory, [(BASE, BASE + 5)], Values(8, 0, 1))) == []


def test_words_at_any_address_do_not_join_over_a_hole():
    memory = ImageMemory([(BASE, b"\1" * PAGE), (BASE + 2 * PAGE, b"\1" * PAGE)])
    found = list(find_unaligned_words(memory, [(BASE, BASE + 3 * PAGE)], Values(2, 0x101, 0x101)))
    assert len(found) == 2 * (PAGE - 1)


@pytest.mark.parametrize("base", [(1 << 63) - PAGE, 1 << 63, (1 << 64) - 2 * PAGE])
def test_words_are_found_at_addresses_that_no_signed_number_holds(base):
    data = bytearray(2 * PAGE)
    data[PAGE + 8 : PAGE + 16] = (7).to_bytes(8, "little")
    memory, spans = ImageMemory([(base, bytes(data))]), [(base, base + 2 * PAGE)]
    assert list(find_words(memory, spans, Values(8, 7, 7))) == [(base + PAGE + 8, 7)]
    assert list(find_unaligned_words(memory, spans, Values(8, 7, 7))) == [(base + PAGE + 8, 7)]
