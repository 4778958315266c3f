"""Mmapped chunks, found by their headers in memory that is made up here."""

from __future__ import annotations

import struct

import pytest

from gdbheap.glibc.layout import Layout, Located
from gdbheap.glibc.mmapped import MmappedChunk, find_mmapped
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.cstruct import CStruct, Field, StructValue
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process
from gdbheap.sentences.facts.said import said_all

START = 0x7F0000000000
PAGE = 0x1000
PARAMETERS = CStruct("malloc_par", 12, {"n_mmaps": Field("n_mmaps", 0, 4), "mmapped_mem": Field("mmapped_mem", 4, 8)})
NOTHING = CStruct("nothing", 0, {})


def find(size, headers, count, total, overhead=0, cuts=(), start=START):
    """Return what find_mmapped finds in one mapping of `size` bytes with {offset: (prev_size, size word)}, which the
    kernel has made several of at these `cuts`: each second one is read-only."""
    image = bytearray(size)
    for offset, words in headers.items():
        struct.pack_into("<QQ", image, offset, *words)
    ends = zip((0, *cuts), (*cuts, size))
    space = AddressSpace(
        VMA(start + low, start + high, "r--p" if index % 2 else "rw-p") for index, (low, high) in enumerate(ends)
    )
    process = Process("live", X86_64, ImageMemory([(start, bytes(image))]), space, ())
    layout = Layout(X86_64, 16, NOTHING, NOTHING, Located(0, "symbol"), mmapped_overhead=overhead)
    parameters = StructValue(PARAMETERS, 0, struct.pack("<IQ", count, total))
    return find_mmapped(process, layout, parameters, [])


def test_neighbours_in_one_mapping_are_told_apart():
    found, notes = find(8 * PAGE, {0: (0, 3 * PAGE | 2), 3 * PAGE: (0, 5 * PAGE | 2)}, 2, 8 * PAGE)
    assert found == [
        MmappedChunk(START, 3 * PAGE, START, START + 3 * PAGE),
        MmappedChunk(START + 3 * PAGE, 5 * PAGE, START + 3 * PAGE, START + 8 * PAGE),
    ]
    assert said_all(notes) == ()


@pytest.mark.parametrize("cuts", [(PAGE, 2 * PAGE), (PAGE, 4 * PAGE, 7 * PAGE), (3 * PAGE, 4 * PAGE)])
def test_a_chunk_reaches_over_the_mappings_that_the_kernel_has_made_of_its_own(cuts):
    found, notes = find(8 * PAGE, {0: (0, 3 * PAGE | 2), 3 * PAGE: (0, 5 * PAGE | 2)}, 2, 8 * PAGE, cuts=cuts)
    assert [(each.start, each.end) for each in found] == [
        (START, START + 3 * PAGE),
        (START + 3 * PAGE, START + 8 * PAGE),
    ]
    assert said_all(notes) == ()


def test_nothing_is_found_where_a_core_has_a_mapping_beyond_all_addresses_of_processes():
    headers = {0x30: (0x30, 8 * PAGE - 0x30 | 2)}
    assert len(find(8 * PAGE, headers, 1, 8 * PAGE)[0]) == 1
    assert find(8 * PAGE, headers, 1, 8 * PAGE, start=0xFFFF_FFFF_FF60_0000)[0] == []


@pytest.mark.parametrize("offset", [0x30, 0xF0, 0x3FF0])
def test_the_chunk_that_memalign_made_hides_the_header_that_it_left_behind(offset):
    size = 64 * PAGE
    found, notes = find(size, {0: (0, size | 2), offset: (offset, size - offset | 2)}, 1, size)
    assert found == [MmappedChunk(START + offset, size - offset, START, START + size)]
    assert said_all(notes) == ()


@pytest.mark.parametrize("offset", [0, 0x30, 0xF0, 0x3FF0])
def test_among_very_many_too(offset):
    size, count, aligned = 8 * PAGE, 100, 63
    headers = {number * size: (0, size | 2) for number in range(count)}
    headers[aligned * size + offset] = (offset, size - offset | 2)
    found, notes = find(count * size, headers, count, count * size)
    expected = [(START + number * size, START + (number + 1) * size) for number in range(count)]
    assert [(each.start, each.end) for each in found] == expected
    assert [each.address - each.start for each in found] == [offset if at == aligned else 0 for at in range(count)]
    assert said_all(notes) == ()


@pytest.mark.parametrize("overhead", [0, 16])
def test_an_aligned_chunk_that_mremap_has_moved_and_grown_is_found_by_the_bytes_that_were_missing(overhead):
    old, new, offset = 16 * PAGE, 40 * PAGE, 5 * PAGE - 16
    headers = {0: (0, old - overhead | 2), offset: (offset, new - offset - overhead | 2)}
    found, notes = find(new, headers, 1, new + overhead, overhead)
    assert found == [MmappedChunk(START + offset, new - offset - overhead, START, START + new)]
    assert said_all(notes) == ()


def test_what_only_looks_like_a_chunk_is_told_of():
    _, notes = find(8 * PAGE, {0: (0, 3 * PAGE | 2), 3 * PAGE: (0, 5 * PAGE | 2)}, 1, 3 * PAGE)
    assert said_all(notes) == ("2 mmapped chunks of 0x8000 bytes found by their headers, but mp_ counts 1 of 0x3000",)
