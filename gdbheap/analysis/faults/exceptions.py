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
# Plain types: their size in bytes (0: a word) and whether they have a sign; and those whose first word points to text.
_INTEGERS = {"int": (4, True), "unsigned int": (4, False), "long": (0, True), "unsigned long": (0, False)}
_TEXTS = ("char const*", "char*", "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >")


@dataclass(frozen=True)
class Thrown:
    """An exception in flight: its type's name ("std::runtime_error"), where the object is, and what(), or the
    value itself of a plain type, where that can be read ("" not)."""

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
            # gdb names a versioned symbol with its version.
            name = symbol[len("typeinfo for ") :].partition(" in ")[0].partition("@")[0]
            thing = start + at + 32
            yield Thrown(name, thing, _what(scene, name, thing))
            return


def _what(scene: Scene, name: str, thing: int) -> str:
    """Return the text that the exception carries, quoted, or its value."""
    if name in _INTEGERS:
        word = scene.word_at(thing)
        size, signed = _INTEGERS[name][0] or scene.word, _INTEGERS[name][1]
        return "" if word is None else str(int.from_bytes(word.to_bytes(8, "little")[:size], "little", signed=signed))
    place = thing if name in _TEXTS else thing + scene.word if name.endswith(_WITH_TEXT) else None
    pointer = None if place is None else scene.word_at(place)
    return "" if pointer is None else repr(_text(scene, pointer))


def _text(scene: Scene, pointer: int) -> str:
    text = b""
    while len(text) < _LONGEST_TEXT:
        try:
            piece = scene.process.memory.read(pointer + len(text), 1)
        except MemoryFault:
            break
        if piece == b"\0":
            break
        text += piece
    return text.decode("utf-8", "replace")
