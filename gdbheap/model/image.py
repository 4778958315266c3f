"""Images: a modelled process as bytes at addresses, for readers of heaps that have no process to read.

    process = new_process("2.36")
    block = process.malloc(24)
    process.free(block)
    picture = image(process)        # picture.segments, picture.main_arena, picture.tcaches, ...

To break the heap, write into `process.machine.memory` (store, write) before the image is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gdbheap.model.kernel import Kernel
from gdbheap.model.machine import ModelMalloc
from gdbheap.model.memory import PAGE, ModelMemory
from gdbheap.model.placement import rounded_up
from gdbheap.model.process import ModelProcess
from gdbheap.model.ranges import SortedRanges
from gdbheap.model.traits import Traits, traits


@dataclass(frozen=True)
class ImagePlaces:
    """Where a made-up process keeps things: libc's data, where the break starts, and the end of the region for
    mappings."""

    data: int
    brk: int
    mmap_base: int
    limit: int


PLACES = {
    8: ImagePlaces(0x7FFFF7FA0000, 0x55555557A000, 0x7FFFF7FFF000, 0x7FFFFFFFF000),
    4: ImagePlaces(0xF7FA0000, 0x5657A000, 0xF7FFF000, 0xFFFFE000),
}
_KEY = 0xC0FFEE5EED1E5577


@dataclass(frozen=True)
class Image:
    """`segments` are (address, bytes) of all that is accessible, in order; `mappings` (start, end, name) of all that is
    mapped, the inaccessible too: "[heap]" for what came from the break, "libc" for libc's data, "" for the rest.

    `tcaches` and `arenas` hold an address for each thread (0: none). All addresses are the process's.
    """

    name: str
    pointer_size: int
    segments: tuple[tuple[int, bytes], ...]
    mappings: tuple[tuple[int, int, str], ...]
    main_arena: int
    mp: int
    brk: int
    tcaches: tuple[int, ...]
    arenas: tuple[int, ...]
    tcache_key: int
    global_max_fast: int


def new_process(
    name: str, pointer_size: int = 8, tunables: Mapping[str, int] | None = None, brk: int | None = None
) -> ModelProcess:
    """Return a process of glibc `name` (traits.NAMES) with an untouched heap, at made-up addresses; `brk` moves the
    start of the heap."""
    return process_of(traits(name, pointer_size), tunables, brk)


def process_of(
    shape: Traits, tunables: Mapping[str, int] | None = None, brk: int | None = None, page_size: int = PAGE
) -> ModelProcess:
    """Return such a process of a malloc with these traits."""
    pointer_size = shape.pointer_size
    place = PLACES[pointer_size]
    memory = ModelMemory(pointer_size)
    # malloc_par comes before main_arena in libc's data, both on a multiple of 32
    mp = place.data + 0x180
    main_arena = (mp + shape.mp_size() + 0x400) & -32
    start = brk or rounded_up(place.brk, page_size)
    kernel = Kernel(memory, start, place.mmap_base, place.limit, huge_alignment=pointer_size == 8, page_size=page_size)
    end = kernel.page_up(main_arena + shape.arena_size)
    kernel.taken.add(place.data, end)
    memory.accessible.add(place.data, end)
    return ModelProcess(
        ModelMalloc(shape, memory, kernel, main_arena, mp, _KEY & ((1 << 8 * pointer_size) - 1)), tunables
    )


def image(process: ModelProcess) -> Image:
    """Return all that the process has in memory now."""
    m = process.machine
    if not m.initialised:
        process.initialise()
    return Image(
        name=m.traits.name,
        pointer_size=m.pointer_size,
        segments=tuple((start, m.memory.read(start, end - start)) for start, end in m.memory.accessible),
        mappings=_mappings(m),
        main_arena=m.main_arena,
        mp=m.mp,
        brk=m.kernel.brk,
        tcaches=tuple(each.tcache for each in m.threads),
        arenas=tuple(each.arena for each in m.threads),
        tcache_key=m.tcache_key if m.traits.random_tcache_key else 0,
        global_max_fast=m.global_max_fast or 0,
    )


def _mappings(m: ModelMalloc) -> tuple[tuple[int, int, str], ...]:
    data = (m.mp & -m.page_size, m.page_up(m.main_arena + m.traits.arena_size))
    base = m.parameter("sbrk_base") & -m.page_size
    heap = (base, m.page_up(m.kernel.brk)) if base else (0, 0)
    rest: SortedRanges = m.kernel.taken.copy()
    rest.remove(*data)
    rest.remove(*heap)
    named = [(*data, "libc"), *((start, end, "") for start, end in rest)]
    if heap[1] > heap[0]:
        named.append((*heap, "[heap]"))
    return tuple(sorted(named))
