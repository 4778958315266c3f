"""A walk that was led astray is cut where it went wrong, not where it noticed."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import pytest

from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.walk.heap_segment import INVALID_SIZE, HeapSegment, walk_stretch
from gdbheap.glibc.walk.walk import Walker
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.memory import ImageMemory

START = 0x10000
SIZES = [0x20, 0x40, 0x50, 0x20, 0x30, 0x60, 0x20]
LAYOUT: Any = SimpleNamespace(
    machine=X86_64, pointer_size=8, alignment=16, min_size=32, header=16, has_fastbins=True, safe_linking=True
)


def walked(wrong: int, size: int, fill: bytes = b"\xee") -> tuple[HeapSegment, list[int]]:
    """Walk chunks of SIZES, whose user bytes are `fill`, with the size field of one of them overwritten."""
    image, addresses = b"", []
    for index, good in enumerate(SIZES):
        addresses.append(START + len(image))
        image += struct.pack("<QQ", 0, (size if index == wrong else good) | 1) + fill * (good - 16)
    memory = ImageMemory([(START, image)])
    return walk_stretch(Walker(memory, LAYOUT), START, START, START + len(image)), addresses


@pytest.mark.parametrize("size", [0x40, 0x60, 0xA0, 0xF0, 0x10, 0, 0x48, 0x10000, 0x6161616161616160])
def test_the_chunk_whose_size_is_wrong_is_the_one_that_is_told(size):
    stretch, addresses = walked(3, size)
    assert [(fault.address, fault.message) for fault in stretch.faults] == [(addresses[3], INVALID_SIZE)]
    assert [(mark.address, mark.size, mark.state) for mark in stretch.marks] == [(addresses[3], 0x20, State.UNKNOWN)]
    found = [address for walk in stretch.walks for address in walk.address.tolist()]
    assert found == addresses[:3] + addresses[4:]


def test_a_size_that_leads_over_whole_chunks_goes_unseen():
    stretch, addresses = walked(1, 0x40 + 0x50)
    assert stretch.faults == []
    assert [a for walk in stretch.walks for a in walk.address.tolist()] == addresses[:2] + addresses[3:]


def test_the_last_chunk_before_the_end_is_told_too():
    stretch, addresses = walked(len(SIZES) - 1, 0x30)
    assert [fault.address for fault in stretch.faults] == [addresses[-1]]


def test_of_a_shrunk_size_the_place_that_it_leads_to_is_told():
    stretch, addresses = walked(2, 0x40, fill=b"\0")
    assert [fault.address for fault in stretch.faults] == [addresses[2] + 0x40]
