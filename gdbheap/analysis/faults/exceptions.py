"""The C++ exception that nobody caught: found by the mark that the Itanium C++ ABI puts into every exception object's header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdbheap.analysis.faults.verdict import Scene
from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.malloc.chunk_table import State

# exception_class of GNU C++ ("GNUCC++" and 0, or 1 for a dependent exception), as it lies in memory.
_CLASS = int.from_bytes(b"GNUCC++\0", "big")
# From the mark back to the type, and on to the thrown object: at most this many bytes.
_HEADER = 128
_MOST_CHUNKS = 1 << 16
_LARGEST = 1 << 14
_LONGEST_TEXT = 200
# The standard classes that keep their text in a string whose pointer is their second word.
_WITH_TEXT = (
    "runtime_error",
    "logic_error",
    "invalid_argument",
    "out_of_range",
    "length_error",
    "domain_error",
    "range_error",
    "overflow_error",
    "underflow_error",
)


@dataclass(frozen=True)
class Thrown:
    """An exception in flight: its type's name ("std::runtime_error"), where the object is, and what() where that can be read ("" not)."""

    type: str
    address: int
    what: str


def thrown(scene: Scene) -> Iterator[Thrown]:
    """Yield the exceptions that exist, newest chunks last: they are allocated with malloc, header and all."""
    view = scene.heap
    if view is None:
        return
    table = view.table
    smallest = _HEADER // 2
    rows = np.flatnonzero((table.state == State.IN_USE) & (table.size >= smallest) & (table.size <= _LARGEST))
    for row in rows[:_MOST_CHUNKS].tolist():
        chunk = table[row]
        start = chunk.address + view.layout.header
        try:
            data = scene.process.memory.read(start, min(_HEADER + 32, chunk.size - view.layout.word))
        except MemoryFault:
            continue
        at = data.find(_CLASS.to_bytes(8, "little"))
        if at > 0:
            yield from _decode(scene, start, at, data)


def _decode(scene: Scene, start: int, at: int, data: bytes) -> Iterator[Thrown]:
    """The header begins with the type_info; _Unwind_Exception, whose first member is the mark, is its last 32 bytes (64-bit; 16-aligned)."""
    word = scene.word
    for offset in range(0, at, word):
        pointer = int.from_bytes(data[offset : offset + word], "little")
        symbol = scene.symbol_at(pointer) if pointer else ""
        if symbol.startswith("typeinfo for "):
            name = symbol[len("typeinfo for ") :].partition(" in ")[0]
            thing = start + at + 32
            yield Thrown(name, thing, _what(scene, name, thing))
            return


def _what(scene: Scene, name: str, thing: int) -> str:
    if not name.endswith(_WITH_TEXT):
        return ""
    pointer = scene.word_at(thing + scene.word)
    if pointer is None:
        return ""
    text = b""
    while len(text) < _LONGEST_TEXT:
        try:
            piece = scene.process.memory.read(pointer + len(text), 1)
        except MemoryFault:
            break
        if piece == b"\0":
            return text.decode("utf-8", "replace")
        text += piece
    return text.decode("utf-8", "replace")
