"""What the heap tells: the object that the instruction works on, or whose content it followed, is freed, in top, or in a header."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.analysis.faults.verdict import LIKELY, POSSIBLE, Scene, Verdict
from gdbheap.malloc.chunk_table import Chunk, State


def objects(scene: Scene) -> Iterator[Verdict]:
    """Yield the state of each chunk that a register points into, where that state explains a bad value."""
    signal = scene.stop.signal
    if signal is None or signal.code <= 0 or signal.signal not in (4, 7, 11):
        return
    bases = {each.base_value for each in scene.accesses if each.base} | {scene.stop.thread.program_counter}
    for name, value, chunk in scene.heap_registers():
        yield from _object(scene, name, value, chunk, _led_here(scene, value, chunk, bases))


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
