"""Crashes inside malloc and free: a pointer that is no block's, or a field that was overwritten and is followed now."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gdbheap.analysis.corruption.check import check
from gdbheap.analysis.corruption.checked_heap import CheckedHeap
from gdbheap.analysis.corruption.dying_call import calling_frame, candidates
from gdbheap.analysis.corruption.finding import Finding
from gdbheap.analysis.corruption.mid_operation import function_inside, is_of_malloc
from gdbheap.analysis.corruption.passed_pointer import what_was_passed
from gdbheap.analysis.corruption.writer import probable_writer
from gdbheap.analysis.faults.verdict import CERTAIN, POSSIBLE, Scene, Verdict
from gdbheap.errors import MemoryFault
from gdbheap.malloc.chunk_table import NON_MAIN_ARENA
from gdbheap.process.frame import Frame, is_of_libc

# What the program calls them, whatever libc's own symbols are.
_NAMES = re.compile(
    r"malloc_trim|reallocarray|realloc|calloc|posix_memalign|aligned_alloc|memalign|p?valloc|malloc|free"
)
_TAKES_A_BLOCK = re.compile(r"free|realloc")
# How far behind a link malloc reads and writes: the members of a chunk, or of a heap_info.
_REACH = 0x40


def crashes_in_malloc(scene: Scene) -> Iterator[Verdict]:
    """Yield what a SIGSEGV or SIGBUS inside malloc, free or realloc is about."""
    signal, frames = scene.stop.signal, scene.stop.frames
    if signal is None or signal.signal not in (7, 11) or not frames:
        return
    inside = function_inside(frames)
    if inside is None or not (is_of_libc(frames[0]) or is_of_malloc(frames[0])):
        return
    caller = calling_frame(frames)
    where = (f"called from {caller.words}",) if caller is not None else ()
    unreadable = list(_unreadable(scene, inside, where))
    yield from unreadable
    if unreadable or scene.heap is None:
        return
    heap = CheckedHeap(scene.process, scene.heap)
    wrong = list(_no_block(scene, heap, where))
    yield from wrong or _followed(scene, heap, where, inside)


def _unreadable(scene: Scene, inside: str, where: tuple[str, ...]) -> Iterator[Verdict]:
    """Whether free or realloc died of reading the size field in front of what it was given: where no block can be."""
    if not _TAKES_A_BLOCK.search(inside) or is_of_internals(scene.stop.frames[0]):
        return
    for access in scene.accesses:
        pointer = access.base_value
        if access.base and not access.index and access.displacement == -scene.word and scene.vma(pointer) is None:
            how = "which is no address" if not scene.is_canonical(pointer) else "which is in no mapping"
            function = "realloc" if "realloc" in inside else "free"
            summary = f"{function} was given {pointer:#x}, {how}: no block can be there"
            fact = f"{access.text} reads the size field in front of {pointer:#x}"
            yield Verdict("invalid_free", CERTAIN, pointer, summary, (*where, fact), ("up", "info locals"))
            return


def is_of_internals(frame: Frame) -> bool:
    """Whether the frame is in a function that works on chunks already, and no more on what the program has passed."""
    return frame.function.startswith(("_int_", "malloc_consolidate", "unlink_chunk", "systrim", "tcache_"))


def _no_block(scene: Scene, heap: CheckedHeap, where: tuple[str, ...]) -> Iterator[Verdict]:
    """Whether the address is where the heap of a chunk would begin, if its size field were right about NON_MAIN_ARENA (arena_for_chunk)."""
    at, layout = scene.fault_address, heap.layout
    if at is None or at % layout.heap_max >= _REACH:
        return
    for chunk, how in candidates(heap, scene.stop.frames):
        try:
            raw = heap.words.read(chunk + layout.word)
        except (MemoryFault, OverflowError):
            continue
        pointer = chunk + layout.header
        if not raw & NON_MAIN_ARENA or chunk & ~(layout.heap_max - 1) != at & ~(layout.heap_max - 1):
            continue
        told = what_was_passed(heap, pointer, scene.symbol_at)
        if told.kind == "block" or (
            told.kind == "inside" and "argument" not in how and pointer % layout.alignment == 0
        ):
            continue
        facts = (
            f"{pointer:#x} was passed: {how}",
            f"the word before it, {raw:#x}, is taken for a size field: NON_MAIN_ARENA is set, so that a heap should begin at {at:#x}",
        )
        summary = f"free was given a pointer that malloc did not return: {pointer:#x} {told.words}"
        yield Verdict("invalid_free", CERTAIN, pointer, summary, (*where, *facts), ("up", "info locals", "heap check"))
        return


def _followed(scene: Scene, heap: CheckedHeap, where: tuple[str, ...], inside: str) -> Iterator[Verdict]:
    """What `heap check` finds broken, the value first that the instruction followed."""
    assert scene.heap is not None
    found = check(scene.process, scene.heap, {scene.stop.thread.lwp: inside}).findings
    followed = [each for each in found if _is_followed(scene, each) or _is_taken_for_threads(scene, each)]
    for each in (followed or found)[:1]:
        writer = probable_writer(heap, each)
        facts = [f"heap check: {each.message} at {each.address:#x}: {each.detail}"]
        if writer.sentence:
            facts.append(f"probably {writer.sentence}")
        sure = CERTAIN if followed else POSSIBLE
        name = _NAMES.search(inside)
        summary = f"{name[0] if name else inside} crashed on a corrupt heap: {each.field or each.message} at {each.where:#x} is overwritten"
        yield Verdict("heap_corruption", sure, each.address, summary, (*where, *facts), ("heap check", "bt"))


def _is_taken_for_threads(scene: Scene, each: Finding) -> bool:
    """Whether the crash is where the heap of the chunk would begin, if its size field were right about NON_MAIN_ARENA (heap_for_ptr)."""
    assert scene.heap is not None
    if each.field != "size" or not (each.held or 0) & NON_MAIN_ARENA or scene.fault_address is None:
        return False
    start = each.address & ~(scene.heap.layout.heap_max - 1)
    return start <= scene.fault_address < start + _REACH


def _is_followed(scene: Scene, each: Finding) -> bool:
    """Whether the crash is at the address that the field holds, or near behind it."""
    if each.held is None or each.held < 0x10000:
        return False
    reached = {scene.fault_address, *(access.address for access in scene.accesses)} - {None}
    links = {each.held, each.held ^ each.where >> 12} if each.field == "next" or each.field == "fd" else {each.held}
    return any(at is not None and 0 <= at - link <= _REACH for at in reached for link in links)
