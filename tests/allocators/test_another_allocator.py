"""What asks about blocks serves an allocator that is not glibc's as well: it is given as a Heap, and nothing else."""

from __future__ import annotations

import struct
import time
from dataclasses import replace

import numpy as np
import pytest

from gdbheap.analysis.leaks.leaks import LeakKind, find_leaks
from gdbheap.analysis.leaks.owners import shortest_path
from gdbheap.analysis.mappings.address_facts import InPiece, facts_at
from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.analysis.memory_use.culprits import scattered
from gdbheap.analysis.memory_use.residency import read_residency
from gdbheap.analysis.objects.lookup import Lookup
from gdbheap.analysis.pointers.pointer_graph import read_pointer_graph
from gdbheap.analysis.pointers.search import Values, find_words
from gdbheap.analysis.pointers.who_points import holders_of
from gdbheap.analysis.recordings.stack_groups import stack_groups
from gdbheap.analysis.snapshots.snapshot import compare, take_snapshot
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.columns.first_words import FirstWords
from gdbheap.process.memory import ImageMemory
from gdbheap.process.recording import Caller, Sample
from support.made_process import PROGRAM, made_heap, made_process
from support.slab_heap import SlabHeap

DATA, SLAB = 0x404000, 0x1000000
VMAS = (VMA(DATA, DATA + 0x1000, "rw-p", 0x4000, "fe:00", 7, PROGRAM), VMA(SLAB, SLAB + 0x1000, "rw-p"))
# A variable points to slot 0, that to slot 1; slot 2 is free; nothing leads to slots 3 and 4, of which 3 points to 4.
USED = (True, True, False, True, True)


def slot(number):
    return SLAB + 64 * number


@pytest.fixture
def process():
    slab = bytearray(0x1000)
    struct.pack_into("<Q", slab, 0, slot(1))
    struct.pack_into("<Q", slab, 64 * 3, slot(4))
    memory = ImageMemory([(DATA, struct.pack("<Q", slot(0)).ljust(0x1000, b"\0")), (SLAB, bytes(slab))])
    made = made_process()
    return replace(made, memory=memory, address_space=AddressSpace(VMAS, "maps"), threads=(), pid=None)


@pytest.fixture
def heap():
    return SlabHeap(SLAB, USED)


def test_leaks_and_owners(process, heap):
    held = read_pointer_graph(process, heap)
    verdicts = [LeakKind(each) for each in find_leaks(process, heap, held).verdict]
    assert verdicts == [
        LeakKind.STILL_REACHABLE, LeakKind.STILL_REACHABLE, LeakKind.DEFINITELY_LOST, LeakKind.INDIRECTLY_LOST,
    ]  # fmt: skip
    assert [each.place for each in holders_of(process, held, 1)] == [slot(0)]
    assert [each.place for each in shortest_path(process, held, 1)] == [DATA, slot(0)]


def test_snapshots(process):
    def taken(used):
        return take_snapshot(SlabHeap(SLAB, used), FirstWords(), Lookup(process, lambda _: None), time.monotonic())

    before, after = taken(USED), taken((*USED, True))
    assert before.facts["free_bytes"] == 64 and before.facts["in_use_bytes"] == 4 * 64
    assert sum(group.grown_bytes for group in compare(before, after)) == 64


def test_mappings_and_addresses(process, heap):
    (slab,) = [each for each in annotate(process, heap) if each.vma.start == SLAB]
    assert (slab.parts[0].kind, slab.parts[0].text) == ("slab", "slab of thread 1")
    assert InPiece(slot(2), 0x40, "free", 8) in facts_at(process, slab, slot(2) + 8, heap)


def test_search_within_blocks(process, heap):
    wanted = Values(8, slot(0), slot(5))
    found = [place for place, _ in find_words(process.memory, [(SLAB, SLAB + 0x1000)], wanted, heap.in_use)]
    assert found == [slot(0), slot(3)]


def test_glibcs_own_heap_answers_the_same_questions():
    heap = made_heap()
    assert isinstance(heap, GlibcHeap)
    blocks = heap.blocks()
    assert blocks.start.tolist() == [0x1000010, 0x7F2000000010, 0x7F2000003010]
    assert heap.in_use(blocks.start).all() and not heap.in_use(np.array([0x1000310], np.uint64)).any()
    piece = heap.piece_at(0x1000018)
    assert piece is not None and (piece.start, piece.mem, piece.state) == (0x1000000, 0x1000010, "in_use")
    assert heap.not_in_use() == {"free_bytes": 0, "top_bytes": 0x20D00}


def test_where_the_memory_is(process, heap):
    parts = {
        part.name: (part.size, part.count, part.is_free)
        for part in read_residency(process, heap, annotate(process, heap)).parts
    }
    assert parts["in_use"] == (4 * 64, 4, False) and parts["free"] == (64, 1, True)
    assert parts["module_data"] == (0x1000, None, False)


def test_blocks_between_free_memory():
    heap = SlabHeap(SLAB, (True, False) * (1 << 10))
    found = scattered(heap)
    assert (found.blocks.tolist(), found.bytes, found.spread) == (list(range(1 << 10)), 64 << 10, 128 << 10)


def test_what_a_recording_shows_alive(heap):
    def made(name, mem):
        return Sample(mem, 40, "malloc", 1, (Caller(name, "program", 0, ""),))

    samples = [made("keeps", slot(0)), made("keeps", slot(1)), made("frees", slot(2)), made("keeps", slot(3))]
    groups = {group.stack[0].function: group for group in stack_groups(samples, heap, heap, {})}
    assert (groups["keeps"].alive, groups["keeps"].grown, groups["frees"].alive) == (3, 4, 0)
