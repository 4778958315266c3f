"""Who points into a freed block: words written into a heap that the model made, and registers."""

from __future__ import annotations

import random
from dataclasses import replace

from gdbheap.analysis.suspects.pointer_places import PointerPlace, holders
from gdbheap.glibc.chunk_table import State
from gdbheap.glibc.read_heap import read_heap
from gdbheap.model.image import image, new_process
from gdbheap.process.memory import ImageMemory
from gdbheap.process.process import Process, Thread
from tests.glibc.test_model_images import layout_of, play, process_of


def made():
    """Return a process of the model's, its heap, a freed chunk and a block in use that has room for a pointer."""
    model = new_process("2.36", 8)
    play(model, random.Random(1), 300)
    picture = image(model)
    process = process_of(picture)
    view = read_heap(process, layout_of(picture))
    freed = next(each for each in view.table if each.state is State.TCACHE and each.size >= 0x40)
    block = next(
        each for each in view.table if each.state is State.IN_USE and not each.is_mmapped and each.size >= 0x40
    )
    return process, view, freed, block


def with_word(process: Process, where: int, word: int) -> Process:
    """Return the process with this word in its memory."""
    pieces = [(vma.start, bytearray(process.memory.read(vma.start, vma.size))) for vma in process.address_space]
    for start, data in pieces:
        if start <= where < start + len(data):
            data[where - start : where - start + 8] = word.to_bytes(8, "little")
    return replace(process, memory=ImageMemory([(start, bytes(data)) for start, data in pieces]))


def test_a_word_of_a_block_and_a_register_hold_a_freed_block():
    process, view, freed, block = made()
    mem, where = freed.address + view.layout.header, block.address + view.layout.header + 8
    assert holders(process, view, mem, freed.end) == []
    threads = (Thread(2, 7, "program", {"rax": mem + 8, "rip": mem}, 0, mem, None),)
    process = replace(with_word(process, where, mem + 16), threads=threads)
    assert holders(process, view, mem, freed.end) == [
        PointerPlace(mem + 8, "rax", thread=2),
        PointerPlace(mem + 16, where=where, chunk=view.chunk_at(where)),
    ]


def test_links_of_mallocs_own_are_left_out():
    process, view, freed, _ = made()
    listed = view.place_of(freed.address)
    assert listed is not None
    assert holders(process, view, freed.address + view.layout.header, freed.end) == []
