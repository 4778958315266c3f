"""What the heap tells: the object that the instruction works on, or whose content it followed, is freed, in top, or
in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from gdbheap.analysis.call_stacks.whose_code import is_of_malloc
from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.verdict import LIKELY, POSSIBLE, Cause, Verdict
from gdbheap.analysis.facts.heap import (
    BadValueAt,
    ChunkField,
    ElementOutside,
    ExpressionAt,
    HeaderUsed,
    IsIn,
    OnlyInFreed,
    OnlyInFreedAt,
    PointsInto,
    PointsIntoHeader,
    PointsIntoTop,
    ReadAfterFree,
    ReadPastBlock,
    ThatChunk,
    UsedAfterFree,
)
from gdbheap.analysis.facts.stop import Holds
from gdbheap.analysis.pointers.search import Values, find_words
from gdbheap.glibc.chunk_table import PREV_INUSE, Chunk, State
from gdbheap.machine.instruction import MemoryOperand
from gdbheap.process.fact import Fact
from gdbheap.process.signal_info import OF_ACCESSES, SIGBUS, SIGILL, SIGSEGV

# A smaller number stands in too many places to tell anything.
_LEAST_TELLING = 1 << 20
_MOST_PLACES = 16
_MOST_SEARCHED = 256 << 20


def objects(crash: CrashContext) -> Iterator[Verdict]:
    """Yield the state of each chunk that a register or a variable points into, where that state explains a bad
    value."""
    signal = crash.stop.signal
    if signal is None or signal.code <= 0 or signal.signal not in (SIGILL, SIGBUS, SIGSEGV):
        return
    if crash.stop.frames and is_of_malloc(crash.stop.frames[0]):
        return  # who works on free chunks by trade
    bases = {each.base_value for each in crash.accesses if each.base} | {crash.stop.thread.program_counter}
    bases.discard(0)  # which stands everywhere
    led = False
    for name, value, chunk in crash.heap_pointers():
        origin = _origin(crash, value, chunk, bases)
        led = led or origin is not None
        # Half of all registers are left over from something else, and point into freed blocks all the time.
        if origin is not None or value in bases or (chunk.state.is_free and _takes_part(crash, name)):
            yield from _object(crash, name, value, chunk, origin)
    yield from _indexed(crash)
    if not led:
        for value in sorted(each for each in bases if each >= _LEAST_TELLING):
            yield from _only_in_freed(crash, value)


def _takes_part(crash: CrashContext, name: str) -> bool:
    """Whether the instruction (or the call that led to a bad address) uses the register, or the source line names
    the pointer."""
    used = crash.stop.caller_instruction if crash.is_fetch else crash.stop.instruction
    return re.search(rf"%{re.escape(name)}\b", used) is not None or name in crash.stop.source


def freed_sources(crash: CrashContext) -> Iterator[Verdict]:
    """Yield that the source names where NULL or a small number was read from, and that this is in a freed block.
    (What greater values tell, objects() finds without the source.)"""
    signal = crash.stop.signal
    if signal is None or signal.code <= 0 or signal.signal not in OF_ACCESSES:
        return
    bases = {each.base_value if each.base else each.address for each in crash.accesses}
    for each in crash.stop.expressions:
        wanted = each.place is not None and each.value in bases and each.value < _LEAST_TELLING
        chunk = crash.chunk(each.place) if wanted and each.place is not None else None
        if chunk is None or each.place is None or not chunk.state.is_free:
            continue
        member = _member(crash, chunk, each.place)
        evidence = (ExpressionAt(each.text, each.value, each.place, member), ThatChunk(crash.in_chunk(chunk)))
        next_steps = (f"heap chunk {each.place:#x}", f"explain {each.place:#x}")
        yield Verdict(Cause.FREED_CHUNK, LIKELY, each.place, ReadAfterFree(each.text), evidence, next_steps)
        return


def _indexed(crash: CrashContext) -> Iterator[Verdict]:
    """Yield an array in a block that was indexed beyond its end, or below its start."""
    for access in crash.accesses:
        chunk = crash.chunk(access.base_value) if access.base and access.index else None
        if chunk is None or crash.heap is None or chunk.state is not State.IN_USE:
            continue
        mem = chunk.address + crash.heap.layout.header
        if mem <= access.address < chunk.end:
            continue
        base = access.base_value
        in_block = IsIn(access.base, base, crash.in_chunk(chunk))
        index = () if access.is_vector else (Holds(access.index, access.index_value),)
        found, next_steps = _element(access, crash, mem, chunk.end), (f"heap chunk {base:#x}", "up", "info locals")
        yield Verdict(Cause.PAST_CHUNK_END, LIKELY, access.address, found, (in_block, *index), next_steps)


def _element(access: MemoryOperand, crash: CrashContext, mem: int, end: int) -> Fact:
    bits = 8 * crash.pointer_size
    index = access.index_value - (1 << bits if access.index_value >> (bits - 1) else 0)
    is_past = access.address >= end
    return ElementOutside(
        None if access.is_vector else index,
        access.size if access.is_vector else access.scale,
        access.address - end if is_past else None,
        None if is_past else mem - access.address,
    )


def _only_in_freed(crash: CrashContext, value: int) -> Iterator[Verdict]:
    """Yield that a bad value stands in freed blocks and nowhere else in the heap: the register that led there holds
    something else by now."""
    heap = crash.heap
    if heap is None or crash.chunk(value) is not None:
        return
    regions = [(region.mapping, region.end) for arena in heap.arenas for region in arena.regions]
    if sum(end - start for start, end in regions) > _MOST_SEARCHED:
        return
    found = islice(
        find_words(crash.process.memory, regions, Values.of_pointers(crash.process, value, value)), _MOST_PLACES
    )
    places = [place for place, _ in found]
    chunks = [crash.chunk(place) for place in places]
    freed = [chunk for chunk in chunks if chunk is not None and chunk.state.is_free]
    if not freed or len(freed) < len(chunks):
        return
    evidence = (OnlyInFreedAt(value, places[0], crash.in_chunk(freed[0])),)
    next_steps = (f"heap chunk {places[0]:#x}", f"explain {places[0]:#x}")
    yield Verdict(Cause.FREED_CHUNK, POSSIBLE, places[0], OnlyInFreed(), evidence, next_steps)


def _origin(crash: CrashContext, value: int, chunk: Chunk, bases: set[int]) -> int | None:
    """Return where, near what the register points to, a word is the bad value itself: it was loaded from there. None
    where none is."""
    assert crash.heap is not None
    # The header of the next chunk too: an index past the end reads it.
    # (In front of its size is the end of the block before, if that is in use.)
    begin = chunk.address + (crash.pointer_size if chunk.flags & PREV_INUSE else 0)
    start, end = max(value - 64, begin), min(value + 256, chunk.end + crash.heap.layout.header)
    mem = chunk.address + crash.heap.layout.header
    for at in range(start - start % crash.pointer_size, end, crash.pointer_size):
        found = crash.word_at(at)
        is_header = at < mem or at >= chunk.end + crash.pointer_size
        is_link = chunk.state.is_free and mem <= at <= mem + crash.pointer_size
        if found in bases and (is_header or is_link or found >= _LEAST_TELLING):
            return at
    return None


def _object(crash: CrashContext, name: str, value: int, chunk: Chunk, origin: int | None) -> Iterator[Verdict]:
    assert crash.heap is not None
    pointer_size, mem = crash.pointer_size, chunk.address + crash.heap.layout.header
    evidence: list[Fact] = [PointsInto(name, value, value - mem, crash.in_chunk(chunk))]
    if origin is not None:
        evidence.append(BadValueAt(origin, _member(crash, chunk, origin)))
    sure, facts = LIKELY if origin is not None else POSSIBLE, tuple(evidence)
    look: tuple[str, ...] = (f"heap chunk {value:#x}",)
    if chunk.state.is_free:
        found = UsedAfterFree(name, origin is None)
        yield Verdict(Cause.FREED_CHUNK, sure, value, found, facts, (*look, f"explain {value:#x}"))
    elif chunk.state is State.TOP:
        yield Verdict(Cause.TOP_CHUNK, sure, value, PointsIntoTop(name), facts, look)
    elif chunk.state is State.IN_USE and origin is not None and (origin < mem or origin >= chunk.end + pointer_size):
        yield Verdict(Cause.CHUNK_METADATA, LIKELY, origin, HeaderUsed(), facts, look)
        if origin >= chunk.end:
            past = ReadPastBlock(origin - chunk.end - pointer_size, name)
            yield Verdict(Cause.PAST_CHUNK_END, LIKELY, origin, past, facts, look)
    elif chunk.state is State.IN_USE and value < mem and origin is None:
        yield Verdict(Cause.CHUNK_METADATA, sure, value, PointsIntoHeader(name), facts, look)


def _member(crash: CrashContext, chunk: Chunk, origin: int) -> ChunkField:
    """Return what malloc keeps, or the program has, at a place in a chunk or in the next one's header."""
    assert crash.heap is not None
    pointer_size, header = crash.pointer_size, crash.heap.layout.header
    offset = origin - chunk.address - header
    if origin >= chunk.end:
        return ChunkField("size" if origin - chunk.end >= pointer_size else "prev_size", chunk.end, offset)
    if offset < 0:
        return ChunkField("size" if offset >= -pointer_size else "prev_size", None, offset)
    if chunk.state.is_free and offset in (0, pointer_size):
        names = ("next", "key") if chunk.state is State.TCACHE else ("fd", "bk")
        return ChunkField(names[offset > 0], None, offset)
    return ChunkField("", None, offset)
