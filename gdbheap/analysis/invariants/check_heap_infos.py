"""Checks of heap_info, in front of each heap of an arena that is not the main one."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly
from gdbheap.errors import MemoryFault
from gdbheap.glibc.heap_view import Arena
from gdbheap.glibc.invariant import Invariant
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fault import called


def check_heap_infos(heap: CheckedHeap, arena: Arena) -> Iterator[Finding]:
    """Yield what is wrong with an arena's heap_infos: a heap's part in use is whole pages, no more than what is
    readable, and that no more than the reserve."""
    struct = heap.layout.heap_info
    for region in arena.regions:
        try:
            info = struct.read(heap.process.memory, region.mapping)
        except MemoryFault:
            continue
        size, readable = info["size"], info["mprotect_size"]
        call = clause("next_malloc_free_grows_shrinks_leaves")
        where = region.mapping + struct.offset("size")
        right = outvoted_size(heap, arena) if region is arena.regions[-1] else None
        if right is not None:
            why = clause("top_ends_system_mem_fits", system_mem=arena.system_mem)
            message = called("heap_info_size_wrong")
            yield Violation(Invariant.HEAP_SIZE, message, exactly(right), call, why).at(
                region.mapping, WrongField("size", where, size), arena.index
            )
        elif size % heap.process.page_size or size > readable:
            expected = clause("whole_pages_of_the_readable", readable=readable)
            message = called("heap_info_size_wrong")
            yield Violation(Invariant.HEAP_SIZE, message, Must(expected), call).at(
                region.mapping, WrongField("size", where, size), arena.index
            )
        if readable % heap.process.page_size or readable > heap.layout.heap_max:
            where = region.mapping + struct.offset("mprotect_size")
            expected = clause("whole_pages_of_the_reserve", heap_max=heap.layout.heap_max)
            message = called("heap_info_mprotect_size_wrong")
            yield Violation(Invariant.HEAP_MPROTECT_SIZE, message, Must(expected), call).at(
                region.mapping, WrongField("mprotect_size", where, readable), arena.index
            )
        elif (made := _writable_from(heap, region.mapping, readable)) != readable and size <= readable:
            where = region.mapping + struct.offset("mprotect_size")
            why = clause("heap_writable_up", value=Address(region.mapping + made))
            message = called("heap_info_mprotect_size_wrong")
            call = clause("malloc_heap_grows_sigsegv") if made < readable else clause("none_heap_mprotected_again")
            yield Violation(Invariant.HEAP_MPROTECT_SIZE, message, exactly(made), call, why).at(
                region.mapping, WrongField("mprotect_size", where, readable), arena.index
            )
        yield from _check_pagesize(heap, arena, region.mapping, info)


def _check_pagesize(heap: CheckedHeap, arena: Arena, mapping: int, info: StructValue) -> Iterator[Finding]:
    """From glibc 2.35 on a heap keeps the size of its pages: the system's, or that of mp_'s huge ones (from 2.43 the
    transparent ones', too)."""
    held, parameters = info.get("pagesize"), heap.view.parameters
    huge: dict[str, int] = {}
    if parameters is not None:
        huge = {name: parameters[name] for name in ("hp_pagesize", "thp_pagesize") if parameters.get(name)}
    if held is None or held in (heap.process.page_size, *huge.values()):
        return
    where = mapping + heap.layout.heap_info.offset("pagesize")
    sizes = [f"{heap.process.page_size:#x}", *(f"{size:#x}, mp_.{name}" for name, size in huge.items())]
    expected = clause("one_of_the_page_sizes", sizes=" or ".join(sizes))
    call = clause("next_malloc_free_grows_shrinks_heap")
    yield Violation(Invariant.HEAP_PAGESIZE, called("heap_info_pagesize_wrong"), Must(expected), call).at(
        mapping, WrongField("pagesize", where, held), arena.index
    )


def _writable_from(heap: CheckedHeap, mapping: int, told: int) -> int:
    """Return how many bytes from the start of a heap are writable, up to the last that is, in the room that a heap
    has; what malloc has `told` where the mappings do not tell."""
    if not heap.process.address_space.known:
        return told
    end = mapping
    for vma in heap.process.address_space:
        if vma.start < mapping + heap.layout.heap_max and vma.end > mapping and vma.writable:
            end = min(vma.end, mapping + heap.layout.heap_max)
    return end - mapping


def outvoted_size(heap: CheckedHeap, arena: Arena) -> int | None:
    """Return the size that the newest heap of a non-main arena must have, where system_mem and the end of top agree
    on another than its heap_info tells; None where they do not."""
    newest = arena.top & ~(heap.layout.heap_max - 1)
    total = None if arena.is_main else bytes_in_heaps(heap, arena)
    try:
        told = heap.layout.heap_info.read(heap.process.memory, newest)["size"]
        end = arena.top + (heap.words.read(arena.top + heap.layout.pointer_size) & ~7)
    except MemoryFault:
        return None
    agreed = total is not None and total - told + end - newest == arena.system_mem
    return end - newest if agreed and end - newest != told else None


def bytes_in_heaps(heap: CheckedHeap, arena: Arena) -> int | None:
    """Return the bytes in use of all heaps of a non-main arena, None where one cannot be read."""
    try:
        return sum(heap.layout.heap_info.read(heap.process.memory, each.mapping)["size"] for each in arena.regions)
    except MemoryFault:
        return None
