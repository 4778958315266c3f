"""The C++ exception that nobody caught: found by the mark that the Itanium C++ ABI puts into every exception
object's header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gdbheap.analysis.crashes.crash_context import CrashContext
from gdbheap.analysis.crashes.type_names import name_without_symbol, type_name
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import State
from gdbheap.lazy import dataclass, np
from gdbheap.process.memory import text_at

# exception_class of GNU C++ ("GNUCC++" and 0, or 1 for a dependent exception), as it lies in memory.
_CLASS = int.from_bytes(b"GNUCC++\0", "big")
# struct __cxa_exception without its _Unwind_Exception, which is aligned to 16 bytes and begins with the mark: so many
# pointers, the type_info first, and two ints.
_POINTERS, _INTS, _ALIGNMENT = 9, 2 * 4, 16
# exception_class has so many bytes, on every machine.
_MARK = 8
# From the mark back to the type, and on to the thrown object: at most this many bytes.
_HEADER = 128
_MOST_CHUNKS = 1 << 16
_LARGEST = 1 << 14
_LONGEST_TEXT = 200
# The standard classes that keep their text in a string whose pointer is their second word; what is derived from them
# begins as they do.
_WITH_TEXT = frozenset({"std::runtime_error", "std::logic_error"})
_MOST_BASES = 16
# type_info of the Itanium C++ ABI: a vtable pointer, the name, and of a class with one base (__si_class_type_info) that
# one's type_info.
_ONE_BASE = "__si_class_type_info"
# With several (__vmi_class_type_info) come two 32-bit words of flags and their number, and of each its type_info and a
# word whose upper bytes are its offset.
_SEVERAL_BASES = "__vmi_class_type_info"
_MOST_SHOWN_BASES = 8
# What std::throw_with_nested throws derives from the exception and from this, whose second word is the inner one.
_NESTED = "std::nested_exception"
_MOST_NESTED = 8
# Plain types: their size in bytes (0: a word) and whether they have a sign; and those whose first word points to text.
_INTEGERS = {"int": (4, True), "unsigned int": (4, False), "long": (0, True), "unsigned long": (0, False)}
_TEXTS = ("char const*", "char*", "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >")


@dataclass(frozen=True)
class Thrown:
    """An exception: its type's name ("std::runtime_error"), where the object is, and what(), or the value itself of
    a plain type, where that can be read ("" not). `header` is where its header begins, `chained` that of the
    exception that was caught before it (0: none)."""

    type: str
    address: int
    what: str
    header: int = 0
    chained: int = 0


def thrown(crash: CrashContext) -> Iterator[Thrown]:
    """Yield the exceptions that exist, newest chunks last: they are allocated with malloc, header and all."""
    view = crash.heap
    if view is None:
        return
    table = view.table
    smallest = _HEADER // 2
    rows = np.flatnonzero((table.state == State.IN_USE) & (table.size >= smallest) & (table.size <= _LARGEST))
    for row in rows[:_MOST_CHUNKS].tolist():
        chunk = table[row]
        start = chunk.address + view.layout.header
        try:
            data = crash.process.memory.read(start, min(_HEADER + 32, chunk.size - view.layout.pointer_size))
        except MemoryFault:
            continue
        at = data.find(_CLASS.to_bytes(8, "little"))
        if at > 0:
            yield from _decode(crash, start, at, data)


def _decode(crash: CrashContext, start: int, at: int, data: bytes) -> Iterator[Thrown]:
    """The header begins with the type_info; _Unwind_Exception, whose first member is the mark, is its last 32 bytes
    (64-bit; 16-aligned)."""
    pointer_size = crash.pointer_size
    usual = at - -(-(_POINTERS * pointer_size + _INTS) // _ALIGNMENT) * _ALIGNMENT
    named = (offset for offset in range(0, at, pointer_size) if type_name(crash, _word(data, offset, pointer_size)))
    offset = next(named, usual)
    if not 0 <= offset < at:
        return
    info = _word(data, offset, pointer_size)
    name = type_name(crash, info) or name_without_symbol(crash, info)
    if name:
        # struct __cxa_exception: exceptionType, exceptionDestructor, unexpectedHandler, terminateHandler,
        # nextException, ...
        thing = start + at + 32
        yield Thrown(
            name,
            thing,
            _what(crash, name, info, thing),
            start + offset,
            _word(data, offset + 4 * pointer_size, pointer_size),
        )


def _word(data: bytes, offset: int, pointer_size: int) -> int:
    return int.from_bytes(data[offset : offset + pointer_size], "little")


def nested_inside(crash: CrashContext, outer: Thrown, known: Sequence[Thrown]) -> Iterator[Thrown]:
    """Yield the exceptions that lie nested in one, from the outside in."""
    for _ in range(_MOST_NESTED):
        info = crash.word_at(outer.header)
        bases = _bases(crash, info) if info else []
        offset = next((offset for base, offset in bases if type_name(crash, base) == _NESTED), None)
        held = None if offset is None else crash.word_at(outer.address + offset + crash.pointer_size)
        inner = next((each for each in known if each.address == held), None)
        if inner is None or inner is outer:
            return
        yield inner
        outer = inner


def _bases(crash: CrashContext, info: int) -> list[tuple[int, int]]:
    """Return the type_info and the offset of each base class, where the type has several."""
    size = crash.pointer_size
    kind = crash.word_at(info)
    table = crash.symbol_at(kind) if kind else None
    counts = crash.word_at(info + 2 * size if size == _MARK else info + 3 * size)
    if table is None or _SEVERAL_BASES not in table.name or counts is None:
        return []
    count, first = counts >> 32 if size == _MARK else counts, info + 2 * size + _MARK
    found = []
    for at in range(first, first + 2 * size * min(count, _MOST_SHOWN_BASES), 2 * size):
        base, place = crash.word_at(at), crash.word_at(at + size)
        if base is not None and place is not None:
            found.append((base, place >> 8))
    return found


def _has_text(crash: CrashContext, name: str, info: int) -> bool:
    """Whether the class keeps its text as std::runtime_error does, or is derived from one that does, as its first
    and only base."""
    for _ in range(_MOST_BASES):
        if name in _WITH_TEXT:
            return True
        kind, base = crash.word_at(info), crash.word_at(info + 2 * crash.pointer_size)
        table = crash.symbol_at(kind) if kind else None
        first = next(iter(_bases(crash, info)), None)
        if first is not None and not first[1]:
            base = first[0]
        elif table is None or base is None or _ONE_BASE not in table.name:
            return False
        assert base is not None
        info, name = base, type_name(crash, base)
    return False


def _what(crash: CrashContext, name: str, info: int, thing: int) -> str:
    """Return the text that the exception carries, quoted, or its value."""
    if name in _INTEGERS:
        word = crash.word_at(thing)
        size, signed = _INTEGERS[name][0] or crash.pointer_size, _INTEGERS[name][1]
        return "" if word is None else str(int.from_bytes(word.to_bytes(8, "little")[:size], "little", signed=signed))
    place = thing if name in _TEXTS else thing + crash.pointer_size if _has_text(crash, name, info) else None
    pointer = None if place is None else crash.word_at(place)
    return (
        ""
        if pointer is None
        else repr(text_at(crash.process.memory, pointer, _LONGEST_TEXT).decode("utf-8", "replace"))
    )
