"""Crashes inside malloc and free: a pointer that is no block's, or a field that was overwritten and is followed now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.analysis.call_stacks.in_progress_call import function_inside, parts
from gdbheap.analysis.call_stacks.whose_code import is_of_internals, is_of_libc, is_of_malloc
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.reentry import reentered, reentered_before
from gdbheap.analysis.crashes.verdict import CERTAIN, LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.aborts import (
    CrashedOnCorruptHeap,
    GivenNoBlock,
    GivenUnreadable,
    ProbablyBy,
    ReadsSizeBefore,
    TakenForSize,
    WasPassed,
)
from gdbheap.analysis.facts.stop import CalledFrom
from gdbheap.analysis.facts.writers import DoubleFree
from gdbheap.analysis.invariants.calls import entered_again
from gdbheap.analysis.invariants.check import judge
from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.analysis.malloc_aborts.dying_call import OF_CALL, OF_MALLOC, calling_frame, candidates
from gdbheap.analysis.malloc_aborts.passed_pointer import outside_heaps, what_was_passed
from gdbheap.analysis.malloc_aborts.passed_subject import told_by_the_call
from gdbheap.analysis.suspects.suspected_writer import probable_writer
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, NON_MAIN_ARENA, PREV_INUSE
from gdbheap.lazy import regex
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import OF_ACCESSES

# What the program calls them, whatever libc's own symbols are.
_NAMES = regex(r"malloc_trim|reallocarray|realloc|calloc|posix_memalign|aligned_alloc|memalign|p?valloc|malloc|free")
_TAKES_A_BLOCK = regex(r"free|realloc")
# How far behind a link malloc reads and writes: the members of a chunk, or of a heap_info.
_REACH = 0x40
_LOOK = ("up", "info locals")


def crashes_in_malloc(crash: CrashContext) -> Iterator[Verdict]:
    """Yield what a SIGSEGV or SIGBUS inside malloc, free or realloc is about."""
    signal, frames = crash.stop.signal, crash.stop.frames
    if signal is None or signal.signal not in OF_ACCESSES or not frames:
        return
    inside = function_inside(next(parts(frames)))
    if inside is None or not (is_of_libc(frames[0]) or is_of_malloc(frames[0])):
        return
    again = entered_again(frames)
    if again is not None:
        yield reentered(*again, ())
        return
    caller = calling_frame(frames)
    where = (CalledFrom(caller),) if caller is not None else ()
    unreadable = list(_unreadable(crash, inside, where))
    yield from unreadable
    if unreadable:
        return
    if crash.heap is None:
        yield from _without_heap(crash, where, inside)
        return
    if crash.fault_address is not None and crash.chunk(crash.fault_address) is not None:
        # Where malloc's own memory may not be accessed, that is the fault, not what malloc has left unfinished there.
        return
    heap = CheckedHeap(crash.process, crash.heap)
    found = (
        list(_no_block(crash, heap, where, inside))
        or list(_freed_block(crash, heap, where, inside))
        or list(_followed(crash, heap, where, inside))
    )
    yield from found
    yield from reentered_before(crash, bool(found))


def _unreadable(crash: CrashContext, inside: str, where: tuple[Fact, ...]) -> Iterator[Verdict]:
    """Whether free or realloc died of reading the size field in front of what it was given: where no block can be."""
    if not _TAKES_A_BLOCK.search(inside) or is_of_internals(crash.stop.frames[0]):
        return
    for access in crash.accesses:
        pointer = access.base_value
        if (
            access.base
            and not access.index
            and access.displacement == -crash.pointer_size
            and crash.vma(pointer - crash.pointer_size) is None
        ):
            call = _call(inside)
            found: Fact = GivenUnreadable(call, pointer, crash.is_canonical(pointer))
            if crash.vma(pointer) is not None:
                found = GivenNoBlock(call, pointer, _place_outside(crash, pointer))
            evidence = (*where, ReadsSizeBefore(access.text, pointer))
            yield Verdict(Cause.INVALID_FREE, CERTAIN, pointer, found, evidence, _LOOK)
            return


def _call(inside: str) -> str:
    return "realloc" if "realloc" in inside else "free"


def _place_outside(crash: CrashContext, pointer: int) -> Fact | None:
    if crash.heap is None:
        known = outside_heaps(crash.process, pointer, crash.symbol_at)
        return known.fact if known is not None else None
    return what_was_passed(CheckedHeap(crash.process, crash.heap), pointer, crash.symbol_at).fact


def _without_heap(crash: CrashContext, where: tuple[Fact, ...], inside: str) -> Iterator[Verdict]:
    """Whether free was given what can be no block, though nothing is known of the heap: before malloc was ever used,
    perhaps."""
    given = told_by_the_call(crash.stop.frames, 2 * crash.pointer_size)
    told = outside_heaps(crash.process, given.pointer, crash.symbol_at) if given is not None and given.pointer else None
    if given is None or given.pointer is None or given.how is None or told is None:
        return
    found, evidence = (
        GivenNoBlock(_call(inside), given.pointer, told.fact),
        (*where, WasPassed(given.pointer, given.how)),
    )
    yield Verdict(Cause.INVALID_FREE, CERTAIN, given.pointer, found, evidence, _LOOK)


def _no_block(crash: CrashContext, heap: CheckedHeap, where: tuple[Fact, ...], inside: str) -> Iterator[Verdict]:
    """Whether the address is where the heap of a chunk would begin, if its size field were right about
    NON_MAIN_ARENA (arena_for_chunk)."""
    at, layout = crash.fault_address, heap.layout
    if at is None or at % layout.heap_max >= _REACH:
        return
    for each in candidates(heap, crash.stop.frames):
        chunk, is_told = each.chunk, each.source in (OF_MALLOC, OF_CALL)
        try:
            raw = heap.words.read(chunk + layout.pointer_size)
        except (MemoryFault, OverflowError):
            continue
        pointer = chunk + layout.header
        if not raw & NON_MAIN_ARENA or chunk & ~(layout.heap_max - 1) != at & ~(layout.heap_max - 1):
            continue
        told = what_was_passed(heap, pointer, crash.symbol_at)
        is_mapped = told.kind == "foreign" and any(each.address == chunk for each in crash.find_violations().findings)
        if is_told and (is_mapped or told.kind in ("block", "damaged")):
            return  # the size field of a block was overwritten
        if not told.is_no_block and not told.is_freed_twice:
            continue
        if told.kind == "inside" and not is_told and pointer % layout.alignment == 0:
            continue
        evidence = (*where, WasPassed(pointer, each.how), TakenForSize(raw, at))
        found, sure = GivenNoBlock(_call(inside), pointer, told.fact), CERTAIN if is_told else LIKELY
        yield Verdict(Cause.INVALID_FREE, sure, pointer, found, evidence, (*_LOOK, "heap check"))
        return


def _freed_block(crash: CrashContext, heap: CheckedHeap, where: tuple[Fact, ...], inside: str) -> Iterator[Verdict]:
    """Whether the call was given a block that is free: what was its header is anything by now."""
    if not _TAKES_A_BLOCK.search(inside):
        return
    told = [each for each in candidates(heap, crash.stop.frames) if each.source in (OF_MALLOC, OF_CALL)]
    for each in told[:1]:
        pointer = each.chunk + heap.layout.header
        passed = what_was_passed(heap, pointer, crash.symbol_at)
        if passed.is_freed_twice:
            is_realloc = "realloc" in inside
            found, sure = (
                DoubleFree(pointer, passed.fact, False, is_realloc),
                LIKELY if _findings(crash, inside) else CERTAIN,
            )
            yield Verdict(Cause.INVALID_FREE, sure, pointer, found, (*where, WasPassed(pointer, each.how)), _LOOK)


def _findings(crash: CrashContext, inside: str) -> Sequence[Finding]:
    assert crash.heap is not None
    return judge(crash.find_violations(), crash.process, crash.heap, {crash.stop.thread.lwp: inside}).findings


def _followed(crash: CrashContext, heap: CheckedHeap, where: tuple[Fact, ...], inside: str) -> Iterator[Verdict]:
    """What `heap check` finds broken, the value first that the instruction followed."""
    found = _findings(crash, inside)
    followed = [each for each in found if _is_followed(crash, each) or _is_taken_for_threads(crash, each)]
    for each in (followed or found)[:1]:
        writer = probable_writer(heap, each)
        by = (ProbablyBy(writer.fact),) if writer.fact is not None else ()
        name = _NAMES.search(inside)
        wrong = CrashedOnCorruptHeap(name[0] if name else inside, each.field, each.message, each.where)
        evidence, sure = (*where, each.fact, *by), CERTAIN if followed else POSSIBLE
        yield Verdict(Cause.HEAP_CORRUPTION, sure, each.address, wrong, evidence, ("heap check", "bt"))


def _is_taken_for_threads(crash: CrashContext, each: Finding) -> bool:
    """Whether the crash is where the heap of the chunk would begin, if its size field were right about
    NON_MAIN_ARENA (heap_for_ptr)."""
    assert crash.heap is not None
    if each.field != "size" or not (each.held or 0) & NON_MAIN_ARENA or crash.fault_address is None:
        return False
    start = each.address & ~(crash.heap.layout.heap_max - 1)
    return start <= crash.fault_address < start + _REACH


def _is_followed(crash: CrashContext, each: Finding) -> bool:
    """Whether the crash is at the address that the field holds, or near behind it; or at what malloc computes from
    it: the next chunk by a size, the previous one by the prev_size that it must not look at."""
    if each.held is None:
        return False
    if any(
        access.base and not access.index and access.base_value in _leads_to(crash, each) for access in crash.accesses
    ):
        return True
    if each.held < 0x10000:
        return False
    reached = {crash.fault_address, *(access.address for access in crash.accesses)} - {None}
    links = {each.held, each.held ^ each.where >> 12} if each.field == "next" or each.field == "fd" else {each.held}
    return any(at is not None and 0 <= at - link <= _REACH for at in reached for link in links)


def _leads_to(crash: CrashContext, each: Finding) -> set[int]:
    """Return the chunks that malloc comes to by a field that is wrong."""
    if each.field in ("fd", "bk", "fd_nextsize", "bk_nextsize"):
        return {each.held or 0}
    if each.field not in ("size", "prev_size") or each.held is None:
        return set()
    mask = (1 << 8 * crash.pointer_size) - 1
    behind = (each.address + (each.held & ~FLAG_MASK)) & mask
    before = crash.word_at(each.address)
    return {behind} if each.held & PREV_INUSE or before is None else {behind, each.address - before & mask}
