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
        led_here = _led_here(scene, value, chunk, bases)
        led = led or led_here
        yield from _object(scene, name, value, chunk, led_here)
    if not led:
        for value in sorted(each for each in bases if each >= _LEAST_TELLING):
            yield from _only_in_freed(scene, value)


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
