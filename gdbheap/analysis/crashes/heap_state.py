"""What the heap tells: the object that the instruction works on, or whose content it followed, is freed, in top, or
in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from gdbheap.analysis.call_stacks.whose_code import is_of_malloc
from gdbheap.analysis.crashes.verdict import LIKELY, POSSIBLE, CrashContext, Verdict
from gdbheap.analysis.pointers.search import Values, find_words
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.machine.instruction import MemoryOperand
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
        evidence = (
            f"{each.text} is {each.value:#x}, and it stands at {each.place:#x}: {_member(crash, chunk, each.place)}",
            f"that is the {crash.chunk_words(chunk)}",
        )
        summary = f"{each.text} was read from a block that has been freed: a use after free"
        next_steps = (f"heap chunk {each.place:#x}", f"heap owners {each.place:#x}")
        yield Verdict("freed_chunk", LIKELY, each.place, summary, evidence, next_steps)
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
        how_far = (
            f"{access.address - chunk.end:#x} bytes past the end"
            if access.address >= chunk.end
            else f"{mem - access.address:#x} bytes before the start"
        )
        summary = f"{_element(access, crash.pointer_size)} of an array in a block: {how_far} of that block"
        evidence = [f"{access.base} is {access.base_value:#x}, in the {crash.chunk_words(chunk)}"]
        evidence += [] if access.is_vector else [f"{access.index} is {access.index_value:#x}"]
        yield Verdict(
            "past_chunk_end",
            LIKELY,
            access.address,
            summary,
            tuple(evidence),
            (f"heap chunk {access.base_value:#x}", "up", "info locals"),
        )


def _element(access: MemoryOperand, pointer_size: int) -> str:
    if access.is_vector:
        return f"an element (of {access.size} bytes each)"
    bits = 8 * pointer_size
    index = access.index_value - (1 << bits if access.index_value >> (bits - 1) else 0)
    return f"element {index} (of {access.scale} bytes each)"


def _only_in_freed(crash: CrashContext, value: int) -> Iterator[Verdict]:
    """Yield that a bad value stands in freed blocks and nowhere else in the heap: the register that led there holds
    something else by now."""
    heap = crash.heap
    if heap is None or crash.chunk(value) is not None:
        return
    regions = [(region.mapping, region.end) for arena in heap.arenas for region in arena.regions]
    if sum(end - start for start, end in regions) > _MOST_SEARCHED:
        return
    found = islice(find_words(crash.process.memory, regions, Values(crash.pointer_size, value, value)), _MOST_PLACES)
    places = [place for place, _ in found]
    chunks = [crash.chunk(place) for place in places]
    freed = [chunk for chunk in chunks if chunk is not None and chunk.state.is_free]
    if not freed or len(freed) < len(chunks):
        return
    yield Verdict(
        "freed_chunk",
        POSSIBLE,
        places[0],
        "the bad value stands in a block that has been freed: if it was read from there after the free, this is a "
        "use after free",
        (
            f"{value:#x} stands at {places[0]:#x}, in the {crash.chunk_words(freed[0])}, and nowhere else in the "
            "heap but in freed blocks",
        ),
        (f"heap chunk {places[0]:#x}", f"heap owners {places[0]:#x}"),
    )


def _origin(crash: CrashContext, value: int, chunk: Chunk, bases: set[int]) -> int | None:
    """Return where, near what the register points to, a word is the bad value itself: it was loaded from there. None
    where none is."""
    assert crash.heap is not None
    # The header of the next chunk too: an index past the end reads it.
    start, end = max(value - 64, chunk.address), min(value + 256, chunk.end + crash.heap.layout.header)
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
    evidence = [f"{name} is {value:#x}, {_distance(value - mem)} the {crash.chunk_words(chunk)}"]
    if origin is not None:
        evidence.append(f"the bad value stands at {origin:#x}, {_member(crash, chunk, origin)}")
    sure = LIKELY if origin is not None else POSSIBLE
    next_steps: tuple[str, ...] = (f"heap chunk {value:#x}",)
    if chunk.state.is_free:
        perhaps = "" if origin is not None else "perhaps "
        summary = f"{name} points into a block that has been freed: {perhaps}a use after free"
        next_steps = (*next_steps, f"heap owners {value:#x}")
        yield Verdict("freed_chunk", sure, value, summary, tuple(evidence), next_steps)
    elif chunk.state is State.TOP:
        summary = f"{name} points into top: memory that malloc has not handed out, or has taken back"
        yield Verdict("top_chunk", sure, value, summary, tuple(evidence), next_steps)
    elif chunk.state is State.IN_USE and origin is not None and (origin < mem or origin >= chunk.end + pointer_size):
        summary = (
            "what was used as a pointer is a field of malloc's: a chunk's header was read as if it were the program's"
        )
        yield Verdict("chunk_metadata", LIKELY, origin, summary, tuple(evidence), next_steps)
        if origin >= chunk.end:
            over = origin - chunk.end - pointer_size
            summary = f"a pointer was read {over:#x} bytes past the end of the block that {name} points to"
            yield Verdict("past_chunk_end", LIKELY, origin, summary, tuple(evidence), next_steps)
    elif chunk.state is State.IN_USE and value < mem and origin is None:
        summary = f"{name} points into a chunk's header"
        yield Verdict("chunk_metadata", sure, value, summary, tuple(evidence), next_steps)


def _distance(offset: int) -> str:
    return f"{offset:#x} bytes into" if offset >= 0 else f"{-offset:#x} bytes before the block of"


def _member(crash: CrashContext, chunk: Chunk, origin: int) -> str:
    """Return what malloc keeps, or the program has, at a place in a chunk or in the next one's header."""
    assert crash.heap is not None
    pointer_size, header = crash.pointer_size, crash.heap.layout.header
    if origin >= chunk.end:
        field = "size" if origin - chunk.end >= pointer_size else "prev_size"
        return f"the {field} field of the next chunk, {chunk.end:#x}"
    offset = origin - chunk.address - header
    if offset < 0:
        return f"the {'size' if offset >= -pointer_size else 'prev_size'} field of the chunk"
    if chunk.state is State.TCACHE and offset in (0, pointer_size):
        return (
            "where malloc keeps its link to the next cached block"
            if not offset
            else "where malloc keeps the tcache key"
        )
    if chunk.state.is_free and offset in (0, pointer_size):
        return f"where malloc keeps {'fd' if not offset else 'bk'}, its list's link"
    return f"in that chunk, {offset:#x} bytes into it"
