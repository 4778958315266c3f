"""What the heap tells: the object that the instruction works on, or whose content it followed, is freed, in top, or in a header."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.addresses.search import find_words
from gdbheap.analysis.faults.verdict import LIKELY, POSSIBLE, Scene, Verdict
from gdbheap.malloc.chunk_table import Chunk, State

# A smaller number stands in too many places to tell anything.
_LEAST_TELLING = 1 << 20
_MOST_PLACES = 16
_MOST_SEARCHED = 256 << 20


def objects(scene: Scene) -> Iterator[Verdict]:
    """Yield the state of each chunk that a register points into, where that state explains a bad value."""
    signal = scene.stop.signal
    if signal is None or signal.code <= 0 or signal.signal not in (4, 7, 11):
        return
    bases = {each.base_value for each in scene.accesses if each.base} | {scene.stop.thread.program_counter}
    led = False
    for name, value, chunk in scene.heap_registers():
        led_here = _led_here(scene, value, chunk, {each for each in bases if each >= _LEAST_TELLING})
        led = led or led_here
        # Half of all registers are left over from something else.
        if led_here or chunk.state.is_free or value in bases:
            yield from _object(scene, name, value, chunk, led_here)
    yield from _indexed(scene)
    if not led:
        for value in sorted(each for each in bases if each >= _LEAST_TELLING):
            yield from _only_in_freed(scene, value)


def _indexed(scene: Scene) -> Iterator[Verdict]:
    """Yield an array in a block that was indexed beyond its end, or below its start."""
    for access in scene.accesses:
        chunk = scene.chunk(access.base_value) if access.base and access.index else None
        if chunk is None or scene.heap is None or chunk.state is not State.IN_USE:
            continue
        mem = chunk.address + scene.heap.layout.header
        if mem <= access.address < chunk.end:
            continue
        bits = 8 * scene.word
        index = access.index_value - (1 << bits if access.index_value >> (bits - 1) else 0)
        how_far = (
            f"{access.address - chunk.end:#x} bytes past the end"
            if access.address >= chunk.end
            else f"{mem - access.address:#x} bytes before the start"
        )
        summary = f"element {index} (of {access.scale} bytes each) of an array in a block: {how_far} of that block"
        evidence = (
            f"{access.base} is {access.base_value:#x}, in the {scene.chunk_words(chunk)}",
            f"{access.index} is {access.index_value:#x}",
        )
        yield Verdict(
            "past_chunk_end",
            LIKELY,
            access.address,
            summary,
            evidence,
            (f"heap chunk {access.base_value:#x}", "up", "info locals"),
        )


def _only_in_freed(scene: Scene, value: int) -> Iterator[Verdict]:
    """Yield that a bad value stands in freed blocks and nowhere else in the heap: the register that led there holds something else by now."""
    heap = scene.heap
    if heap is None or scene.chunk(value) is not None:
        return
    regions = [(region.mapping, region.end) for arena in heap.arenas for region in arena.regions]
    if sum(end - start for start, end in regions) > _MOST_SEARCHED:
        return
    places = [place for place, _ in find_words(scene.process.memory, regions, scene.word, value, value, _MOST_PLACES)]
    chunks = [scene.chunk(place) for place in places]
    freed = [chunk for chunk in chunks if chunk is not None and chunk.state.is_free]
    if not freed or len(freed) < len(chunks):
        return
    yield Verdict(
        "freed_chunk",
        LIKELY,
        places[0],
        "the bad value was read from a block that has been freed: a use after free",
        (
            f"{value:#x} stands at {places[0]:#x}, in the {scene.chunk_words(freed[0])}, and nowhere else in the heap but in freed blocks",
        ),
        (f"heap chunk {places[0]:#x}", f"heap owners {places[0]:#x}"),
    )


def _led_here(scene: Scene, value: int, chunk: Chunk, bases: set[int]) -> bool:
    """Whether a word near where the register points is the bad value itself: then it was loaded from there."""
    start = max(value - 64, chunk.address)
    return any(
        scene.word_at(at) in bases for at in range(start - start % scene.word, min(value + 256, chunk.end), scene.word)
    )


def _object(scene: Scene, name: str, value: int, chunk: Chunk, led_here: bool) -> Iterator[Verdict]:
    assert scene.heap is not None
    mem = chunk.address + scene.heap.layout.header
    evidence = [f"{name} is {value:#x}, {value - mem:#x} bytes into the {scene.chunk_words(chunk)}"]
    if led_here:
        evidence.append("the bad value stands in that chunk, near where the register points")
    confidence = LIKELY if led_here else POSSIBLE
    if chunk.state.is_free:
        summary = f"{name} points into a block that has been freed: a use after free"
        yield Verdict(
            "freed_chunk",
            confidence,
            value,
            summary,
            tuple(evidence),
            (f"heap chunk {value:#x}", f"heap owners {value:#x}"),
        )
    elif chunk.state is State.TOP:
        summary = f"{name} points into top: memory that malloc has not handed out, or has taken back"
        yield Verdict("top_chunk", confidence, value, summary, tuple(evidence), (f"heap chunk {value:#x}",))
    elif value < mem and chunk.state is State.IN_USE:
        summary = f"{name} points into a chunk's header"
        yield Verdict("chunk_metadata", confidence, value, summary, tuple(evidence), (f"heap chunk {value:#x}",))
