"""The readers on images that the model makes: every glibc of the matrix, 64 and 32 bit, without a process."""

from __future__ import annotations

import random

import pytest

from gdbheap.glibc.layout import Layout, Located, ThreadMalloc
from gdbheap.glibc.locate import builtin_structs as built_in
from gdbheap.glibc.read_heap import read_heap
from gdbheap.glibc.walk import walk
from gdbheap.machine.machines import machine_of_size
from gdbheap.model.image import Image, image, new_process
from gdbheap.model.process import ModelProcess as Model
from gdbheap.model.traits import NAMES
from gdbheap.model.view import MMAPPED, chunks, free_lists
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process

CASES = pytest.mark.parametrize(("name", "word"), [(name, word) for name in NAMES for word in (8, 4)])
LOCATED = "symbol"


def process_of(picture: Image) -> Process:
    """What gdb would offer of such a process."""
    vmas = [VMA(start, end, "rw-p", path=name if name.startswith("[") else "") for start, end, name in picture.mappings]
    return Process(
        "core", machine_of_size(picture.pointer_size), ImageMemory(list(picture.segments)), AddressSpace(vmas), ()
    )


def layout_of(picture: Image) -> Layout:
    """What libc's debug file would tell of such a process."""
    late = picture.name in ("2.43", "2.44")
    pointer_size, fastbins = picture.pointer_size, not late
    return Layout(
        machine=machine_of_size(pointer_size),
        alignment=16,
        malloc_state=built_in.malloc_state(pointer_size, 16, fastbins, fastbins),
        heap_info=built_in.heap_info(pointer_size, 16, picture.name != "2.31"),
        main_arena=Located(picture.main_arena, LOCATED),
        malloc_par=next(each for each in built_in.malloc_pars(pointer_size, fastbins) if _fits(each, picture)),
        tcache_struct=built_in.tcache_structs(pointer_size)[0 if late else 1],
        mp=Located(picture.mp, LOCATED),
        brk=Located(picture.brk, LOCATED),
        threads=tuple(
            ThreadMalloc(
                index + 1,
                100 + index,
                Located(tcache, LOCATED) if tcache else None,
                Located(arena, LOCATED) if arena else None,
            )
            for index, (tcache, arena) in enumerate(zip(picture.tcaches, picture.arenas))
        ),
        safe_linking=picture.name != "2.31",
        mmapped_overhead=2 * pointer_size if late else 0,
        tcache_key=picture.tcache_key or None,
        global_max_fast=picture.global_max_fast,
        heap_max=64 << 20 if pointer_size == 8 else 1 << 20,
        glibc_version=picture.name,
    )


def _fits(struct, picture: Image) -> bool:
    """Whether a layout of malloc_par has the default where n_mmaps_max is, and a page where the heap starts."""
    value = struct.read(ImageMemory(list(picture.segments)), picture.mp)
    return (
        value["n_mmaps_max"] == 65536
        and (not value["sbrk_base"] or value["sbrk_base"] < picture.brk)
        and value["arena_test"] in (8, 2)
    )


def play(model: Model, choose: random.Random, operations: int) -> list[int]:
    """Allocate and free at random; return the blocks that are left."""
    live: list[int] = []
    sizes = (24, 40, 100, 120, 500, 1000, 1032, 1040, 3000, 70000, 140000, 300000)
    for _ in range(operations):
        if live and choose.random() < 0.48:
            model.free(live.pop(choose.randrange(len(live))))
        else:
            live.append(choose.choice((model.malloc, lambda size: model.memalign(256, size)))(choose.choice(sizes)))
    return live


def several_threads(model: Model, choose: random.Random) -> None:
    for _ in range(2):
        model.create_thread()
    for index in (0, 1, 2, 1, 0):
        model.switch(index)
        play(model, choose, 60)


@CASES
@pytest.mark.parametrize("seed", range(4))
def test_chunks_are_read_as_they_are(name, word, seed):
    model = new_process(name, word)
    several_threads(model, random.Random(seed))
    picture = image(model)
    view = read_heap(process_of(picture), layout_of(picture))
    theirs = [
        (each.address, each.size, each.flags, each.state.label, MMAPPED if each.arena == 0xFFFF else each.arena)
        for each in view.table
    ]
    # the last header of a full heap says 0; the reader gives it the two words that it takes
    ours = [(each.address, each.size or 2 * word, each.flags, each.state, each.arena) for each in chunks(model.machine)]
    assert theirs == ours
    assert view.faults == ()


@CASES
@pytest.mark.parametrize("seed", range(4))
def test_free_lists_are_read_as_they_are(name, word, seed):
    model = new_process(name, word)
    several_threads(model, random.Random(seed))
    picture = image(model)
    view = read_heap(process_of(picture), layout_of(picture))
    theirs = {
        (each.kind, each.index, each.arena if each.thread is None else each.thread - 100): each.chunks
        for each in view.bins
    }
    assert theirs == {(each.kind, each.index, each.owner): each.chunks for each in free_lists(model.machine)}


@CASES
@pytest.mark.parametrize("seed", range(3))
def test_chunks_found_all_at_once_are_those_found_one_by_one_in_broken_heaps_too(name, word, seed, monkeypatch):
    monkeypatch.setattr(walk, "BLOCK", 4096)
    choose = random.Random(seed)
    model = new_process(name, word)
    several_threads(model, choose)
    for broken in range(3):
        picture = image(model)
        views = []
        for close in (0, 1 << 60):
            monkeypatch.setattr(walk, "_CLOSE", close)
            views.append(read_heap(process_of(picture), layout_of(picture)))
        stepped, leapt = views
        assert list(leapt.table) == list(stepped.table)
        assert (leapt.bins, leapt.faults, leapt.notes) == (stepped.bins, stepped.faults, stepped.notes)
        assert bool(leapt.faults) is bool(broken)
        chunk = choose.choice([each for each in stepped.table if not each.is_mmapped])
        model.machine.store(chunk.address + word, choose.choice((0, 3, chunk.size + 8, 1 << 20, chunk.size * 2 | 1)))


@CASES
def test_a_damaged_size_is_a_fault_at_that_chunk(name, word):
    model = new_process(name, word)
    blocks = [model.malloc(100) for _ in range(9)]
    model.machine.store(blocks[4] - word, 3)
    picture = image(model)
    faults = read_heap(process_of(picture), layout_of(picture)).faults
    assert [each.address for each in faults] == [blocks[4] - 2 * word]


@CASES
def test_a_tcache_list_that_leads_back_to_itself_is_a_fault(name, word):
    model = new_process(name, word)
    blocks = [model.malloc(100) for _ in range(3)]
    for block in blocks:
        model.free(block)
    first, machine = blocks[0], model.machine
    machine.store(first, machine.protect(first, blocks[2]))
    picture = image(model)
    view = read_heap(process_of(picture), layout_of(picture))
    assert [each.kind for each in view.bins if each.fault] == ["tcache"]
