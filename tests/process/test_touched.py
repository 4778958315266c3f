"""Of huge mappings only what may hold something is read: a core's holes are not, nor what is too large for a remote
connection."""

from __future__ import annotations

import pytest

from gdbheap.elf.core_memory import CoreMemory, CoreSegment
from gdbheap.machine.x86.machines import X86_64
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.live.touched import out_of_reach, touched_spans
from gdbheap.process.process import Process

START, GIB, PAGE = 0x7F00_0000_0000, 1 << 30, 4096


def process_of(kind: str, size: int, memory: object = None) -> Process:
    return Process(kind, X86_64, memory, AddressSpace([VMA(START, START + size, "rw-p")]), ())


@pytest.fixture
def sparse_core(tmp_path):
    """A core whose one segment, of 64 GiB, begins at its second page and holds three bytes that are no zeros; a
    quarter of it is cut off."""
    size, cut = 64 * GIB, 48 * GIB
    with open(tmp_path / "core", "w+b", buffering=0) as file:
        file.truncate(PAGE + cut)
        for place in (5 * PAGE, 20 * GIB, cut - 1):
            file.seek(PAGE + place)
            file.write(b"x")
        yield CoreMemory(file, [CoreSegment(START, START + size, PAGE, size, cut, 6)]), size, cut


def test_a_cores_holes_are_left_out_and_what_is_missing_is_not(sparse_core):
    memory, size, cut = sparse_core
    spans = list(touched_spans(process_of("core", size, memory), [(START, START + size)]))
    assert all(one[1] <= other[0] for one, other in zip(spans, spans[1:]))
    for place in (5 * PAGE, 20 * GIB, cut - 1):
        assert any(start <= START + place < end for start, end in spans)
    assert spans[-1] == (START + cut, START + size)
    assert sum(end - start for start, end in spans[:-1]) < GIB // 16


def test_what_is_small_is_read_as_it_is(sparse_core):
    memory, size, _ = sparse_core
    assert list(touched_spans(process_of("core", size, memory), [(START, START + PAGE)])) == [(START, START + PAGE)]


def test_of_a_remote_process_what_is_too_large_is_left_out_and_counted():
    process = process_of("remote", 8 * GIB)
    spans = [(START, START + GIB), (START + 2 * GIB, START + 4 * GIB), (START + 5 * GIB, START + 5 * GIB + PAGE)]
    assert list(touched_spans(process, spans)) == [spans[0], spans[2]]
    assert out_of_reach(process, spans) == 2 * GIB
    assert out_of_reach(process_of("live", 8 * GIB), spans) == 0
