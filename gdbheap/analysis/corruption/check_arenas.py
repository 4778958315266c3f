"""Checks of arenas, heaps and mp_: top, system_mem, heap_info, the counters of mmapped chunks."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.corruption.checked_heap import CheckedHeap
from gdbheap.analysis.corruption.finding import Finding, finding
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.malloc.chunk_table import IS_MMAPPED, NON_MAIN_ARENA
from gdbheap.malloc.heap_view import NONCONTIGUOUS, Arena
from gdbheap.malloc.main_arena import initial_top
from gdbheap.process.cstruct import StructValue
from gdbheap.process.memory import PAGE


def check_arenas(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with arenas, heap_infos and mp_; the ring and the chains of heaps are checked by whoever reads them."""
    for arena in heap.view.arenas:
        if arena.top == initial_top(heap.layout, arena.value):
            continue
        yield from _check_top(heap, arena)
        yield from _check_system_mem(heap, arena)
        if not arena.is_main:
            yield from _check_heaps(heap, arena)
    if heap.view.parameters is not None:
        yield from _check_parameters(heap, heap.view.parameters)


def _of_arena(
    heap: CheckedHeap, arena: Arena, message: str, field: str, expected: str, call: str, why: str = ""
) -> Finding:
    where = arena.address + heap.layout.malloc_state.offset(field)
    return finding(arena.address, message, field, where, arena.value[field], expected, call, arena.index, why=why)


def _check_top(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """Top ends where the heap does: at a page; in a contiguous main arena, at sbrk_base + system_mem; in another, where its heap ends."""
    if not arena.top_size:
        return
    word = heap.layout.word
    try:
        raw = heap.words.read(arena.top + word)
    except MemoryFault:
        return
    end = arena.top + (raw & ~7)
    expected, why = _heap_end(heap, arena)
    call = "the next malloc that top cannot serve: the assertion on old_top in sysmalloc"
    if raw & (IS_MMAPPED | NON_MAIN_ARENA):
        why = "top never has IS_MMAPPED or NON_MAIN_ARENA"
        good = f"{raw & ~(IS_MMAPPED | NON_MAIN_ARENA):#x}"
    elif expected is not None and end != expected:
        good = f"{expected - arena.top | raw & 7:#x}"
    elif is_past_brk(heap, arena, end):
        yield break_adjusted(heap, arena, end)
        return
    elif expected is None and end % PAGE:
        good, why = "such that top ends at a page", f"top would end at {end:#x}"
    else:
        return
    message = "top has a wrong size"
    if raw & ~7 > arena.system_mem:
        message = heap.texts.choose("malloc(): corrupted top size", otherwise=message)
        call = "the next malloc that no free chunk serves"
    yield finding(arena.top, message, "size", arena.top + word, raw, good, call, arena.index, why=why)


def is_past_brk(heap: CheckedHeap, arena: Arena, end: int) -> bool:
    """Whether a contiguous main arena's top ends behind the program break."""
    brk = heap.layout.brk
    return arena.is_main and not arena.value["flags"] & NONCONTIGUOUS and brk is not None and end > brk.value


def break_adjusted(heap: CheckedHeap, arena: Arena, end: int) -> Finding:
    """Return the Finding of a top that ends behind the program break."""
    brk = heap.layout.brk
    assert brk is not None
    call = "the next malloc for which the heap must grow; or a SIGSEGV, when top is written to behind the break"
    why = "top does not end there: somebody else has moved the break down"
    message = "break adjusted to free malloc space"
    return finding(arena.top, message, "brk", arena.top, brk.value, f"at least {end:#x}", call, arena.index, why=why)


def _heap_end(heap: CheckedHeap, arena: Arena) -> tuple[int | None, str]:
    """Return where top must end (None: anywhere at a page), and why there."""
    if not arena.is_main:
        address = arena.top & ~(heap.layout.heap_max - 1)
        try:
            info = heap.layout.heap_info.read(heap.process.memory, address)
        except MemoryFault:
            return None, ""
        return address + info["size"], f"the heap at {address:#x} has {info['size']:#x} bytes in use"
    base = heap.view.parameters["sbrk_base"] if heap.view.parameters is not None else 0
    if arena.value["flags"] & NONCONTIGUOUS or not base:
        return None, ""
    end = base + arena.system_mem
    return end, f"sbrk_base {base:#x} and system_mem {arena.system_mem:#x} make it end at {end:#x}"


def _check_system_mem(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """system_mem is at most max_system_mem, whole pages, and what the heaps of the arena have."""
    most = arena.value["max_system_mem"]
    call = "none at once: the checks of malloc and free measure sizes by it"
    if arena.system_mem > most:
        yield _of_arena(
            heap, arena, "system_mem is more than its maximum", "system_mem", f"at most max_system_mem, {most:#x}", call
        )
    elif not arena.is_main:
        try:
            have = sum(
                heap.layout.heap_info.read(heap.process.memory, region.mapping)["size"] for region in arena.regions
            )
        except MemoryFault:
            return
        if have != arena.system_mem and not _chain_is_broken(heap, arena):
            yield _of_arena(
                heap,
                arena,
                "system_mem is not what the heaps have",
                "system_mem",
                f"{have:#x}",
                call,
                f"the arena has {len(arena.regions)} heaps",
            )


def _chain_is_broken(heap: CheckedHeap, arena: Arena) -> bool:
    return any(fault.message.startswith("heap_info") for fault in heap.view.faults)


def _check_heaps(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """A heap's part in use is whole pages, no more than what is readable, and that no more than the reserve."""
    struct = heap.layout.heap_info
    for region in arena.regions:
        try:
            info = struct.read(heap.process.memory, region.mapping)
        except MemoryFault:
            continue
        size, readable = info["size"], info["mprotect_size"]
        call = "the next malloc or free that grows, shrinks or leaves this heap"
        where = region.mapping + struct.offset("size")
        if size % PAGE or size > readable:
            expected = f"whole pages, at most mprotect_size, {readable:#x}"
            message = "heap_info has a wrong size"
            yield finding(region.mapping, message, "size", where, size, expected, call, arena.index)
        if readable % PAGE or readable > heap.layout.heap_max:
            where = region.mapping + struct.offset("mprotect_size")
            expected = f"whole pages, at most {heap.layout.heap_max:#x}"
            message = "heap_info has a wrong mprotect_size"
            yield finding(region.mapping, message, "mprotect_size", where, readable, expected, call, arena.index)


def _check_parameters(heap: CheckedHeap, parameters: StructValue) -> Iterator[Finding]:
    """The counters of mmapped chunks are at most their maxima, and those of the chunks that are there."""
    call = "none: the counters are for mallinfo, and for the limit on mmapped chunks"
    for field, maximum in (("n_mmaps", "max_n_mmaps"), ("mmapped_mem", "max_mmapped_mem")):
        if parameters[field] > parameters[maximum]:
            yield _of_mp(heap, parameters, field, f"at most {maximum}, {parameters[maximum]:#x}", call)
    count = int(np.count_nonzero(~heap.in_arena))
    if count < parameters["n_mmaps"] <= parameters["max_n_mmaps"] and _all_readable(heap):
        expected = f"{count}: so many mmapped chunks are there; or the header of one is overwritten, so that it is not known for one"
        call = (
            'the free or realloc of that block: "munmap_chunk(): invalid pointer" or "mremap_chunk(): invalid pointer"'
        )
        yield _of_mp(heap, parameters, "n_mmaps", expected, call)


def _of_mp(heap: CheckedHeap, parameters: StructValue, field: str, expected: str, call: str) -> Finding:
    where = parameters.address + parameters.struct.offset(field)
    return finding(parameters.address, f"mp_.{field} is wrong", field, where, parameters[field], expected, call)


def _all_readable(heap: CheckedHeap) -> bool:
    """Whether every mapping that could hold an mmapped chunk can be read: no core that left memory out, nothing mprotected."""
    for vma in heap.process.address_space:
        if vma.is_file or vma.shared or (vma.path.startswith("[") and not vma.path.startswith("[anon:")):
            continue
        if not (vma.readable and vma.writable):
            if vma.readable:
                return False
            continue
        try:
            heap.process.memory.read(vma.start, 1)
        except MemoryFault:
            return False
    return True
