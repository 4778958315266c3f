"""Who probably broke a field: the block below that was overrun, or a write through a dangling pointer; and how to catch it next time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.analysis.invariants.finding import Finding
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import MMAPPED_ARENA, Chunk, State

# How much of the block below is read to see what ran over its end.
_TAIL = 256
_LINKS = frozenset(("next", "fd", "bk", "fd_nextsize", "bk_nextsize", "key"))
_SHORTEST_TEXT = 4
# So much of a text is shown on either side of the block's end.
_SHOWN = 60
# What a field must hold, where that is one word.
_EXPECTED = re.compile(r"(?:the size of a chunk, such as )?(0x[0-9a-f]+)\b")
# Fields that are no whole words.
_NARROW = {
    "num_slots": "unsigned short",
    "counts": "unsigned short",
    "binmap": "unsigned int",
    "n_mmaps": "unsigned int",
}


@dataclass(frozen=True)
class SuspectedWriter:
    """`kind`: "overrun" (of the block `chunk` below), "dangling" (a write into the freed `chunk`), "double_free", or "unknown".

    `overrun` is by how many bytes at least (0: not an overrun); `bytes` what was written, in words; `sentence` all of it for people.
    """

    kind: str
    chunk: int | None
    overrun: int
    bytes: str
    sentence: str


def probable_writer(heap: CheckedHeap, found: Finding) -> SuspectedWriter:
    """Return who most probably broke the field, judged by what lies below it and by what it holds now."""
    if found.message == "chunk is in two free lists":
        return SuspectedWriter(
            "double_free", found.address, 0, "", "a second free of this block, while it was in a list already"
        )
    held = _in_words(heap, found)
    if found.field in _LINKS:
        return _dangling(heap, found, held)
    if heap.table.row_of(found.address) is None and heap.view.chunk_at(found.where) is None:
        return SuspectedWriter(
            "unknown", None, 0, held, held and f"it is no block's memory; the field now reads {held}"
        )
    if found.field in ("size", "prev_size"):
        below = _block_below(heap, found.where)
        if below is not None and below.state in (State.IN_USE, State.UNKNOWN):
            return _overrun(heap, found, below, held)
        if below is not None and below.state.is_free:
            mem = below.address + heap.layout.header
            sentence = f"a write through a dangling pointer to the freed block below, {mem:#x} of {below.size:#x}, past its end"
            return SuspectedWriter(
                "dangling", below.address, 0, held, f"{sentence}{held and f'; the field now reads {held}'}"
            )
    return SuspectedWriter("unknown", None, 0, held, held and f"nothing below it to blame; the field now reads {held}")


def recipe(heap: CheckedHeap, found: Finding, writer: SuspectedWriter) -> tuple[str, str, str]:
    """Return the gdb commands that catch the write in a rerun: the watchpoint, the breakpoint at which to set it ("" for what is no chunk's), and
    the way back with rr."""
    where = found.where
    word = next((kind for name, kind in _NARROW.items() if found.field.startswith(name)), "unsigned long")
    watch = f"watch -l *({word} *){where:#x}"
    if found.held is not None:
        watch += f" if *({word} *){where:#x} == {found.held:#x}"
    argument = _argument(heap)
    if writer.kind in ("dangling", "double_free") or found.field in _LINKS:
        stop = break_at_free(heap, (writer.chunk or found.address) + heap.layout.header)
    elif writer.kind == "overrun" and writer.chunk is not None:
        chunk = heap.view.chunk_at(writer.chunk)
        high = (0 if chunk is None else chunk.size) - heap.layout.pointer_size
        low = high - heap.layout.alignment + 1
        stop = f"break malloc if {argument} >= {max(low, 0):#x} && {argument} <= {high:#x}"
    elif heap.view.chunk_at(where) is not None:
        stop = break_at_free(heap, found.address + heap.layout.header)
    else:
        stop = ""
    rr = f"rr record PROGRAM; rr replay; continue to the end; watch -l *({word} *){where:#x}; reverse-continue"
    return watch, stop, rr


def break_at_free(heap: CheckedHeap, mem: int) -> str:
    """Return the gdb command that stops at each free of the block."""
    return f"break free if {_argument(heap)} == {mem:#x}"


def _argument(heap: CheckedHeap) -> str:
    """Return the first argument of a function that was just called, as a gdb expression."""
    return "$rdi" if heap.layout.pointer_size == 8 else "*(unsigned int *)($esp + 4)"


def _block_below(heap: CheckedHeap, where: int) -> Chunk | None:
    """Return the chunk before the header that the field is in."""
    header = where - (where + heap.layout.header) % heap.layout.alignment
    row = heap.table.row_at(header - 1)
    if row is None:
        return None
    chunk = heap.table[row]
    return chunk if chunk.arena != MMAPPED_ARENA and not heap.gap[row] else None


def _overrun(heap: CheckedHeap, found: Finding, below: Chunk, held: str) -> SuspectedWriter:
    """The block below is in use, so its user may write up to the size field behind it and no further."""
    layout = heap.layout
    mem = below.address + layout.header
    end = below.address + below.size + layout.pointer_size
    over = found.where + _changed_bytes(heap, found) - end
    if found.field == "prev_size" or over <= 0:
        sentence = f"the block below, {mem:#x} of {below.size:#x}, may write there itself"
        return SuspectedWriter("unknown", below.address, 0, held, sentence)
    text, length = _text_across(heap, mem, end)
    over = max(over, length)
    what = f", with the text {text}" if text else f"; the field now reads {held}" if held else ""
    by = "1 byte" if over == 1 else f"{over} bytes" if text.endswith("NUL") else f"at least {over} bytes"
    sentence = (
        f"the block in use below, mem {mem:#x} of {end - mem:#x} usable bytes, was written {by} past its end{what}"
    )
    return SuspectedWriter("overrun", below.address, over, text or held, sentence)


def _changed_bytes(heap: CheckedHeap, found: Finding) -> int:
    """Return how many bytes from the field's first on were written at least: all up to the last that is not what it must be."""
    if found.held is None:
        return heap.layout.pointer_size
    good = _EXPECTED.match(found.expected)
    if good is None:
        return max((found.held.bit_length() + 7) // 8, 1)
    return ((int(good[1], 16) ^ found.held).bit_length() + 7) // 8


def _dangling(heap: CheckedHeap, found: Finding, held: str) -> SuspectedWriter:
    chunk = heap.view.chunk_at(found.where)
    if chunk is None or not chunk.state.is_free:
        return SuspectedWriter("unknown", None, 0, held, held and f"the field now reads {held}")
    mem = chunk.address + heap.layout.header
    offset = found.where - mem
    sentence = (
        f"a write through a dangling pointer into the freed block {mem:#x} of {chunk.size:#x}, {offset:#x} bytes in"
    )
    return SuspectedWriter(
        "dangling", chunk.address, 0, held, sentence + (f"; the field now reads {held}" if held else "")
    )


def _in_words(heap: CheckedHeap, found: Finding) -> str:
    """Return what the bytes of the field look like: text, a fill, a pointer; "" for none of them."""
    if found.held is None:
        return ""
    raw = found.held.to_bytes(8, "little")[: heap.layout.pointer_size]
    text = _printable_run(raw)
    if text:
        return f'"{text}"'
    if found.held and len(set(raw)) == 1:
        return f"{len(raw)} bytes of {raw[0]:#x}"
    vma = heap.process.address_space.find(found.held)
    if vma is not None:
        chunk = heap.view.chunk_at(found.held)
        where = (
            f"the {chunk.state.label} chunk at {chunk.address:#x}"
            if chunk is not None
            else vma.path or "an anonymous mapping"
        )
        return f"{found.held:#x}, an address in {where}"
    return ""


def _printable_run(raw: bytes) -> str:
    """Return the text that all bytes up to the first NUL make, "" for less than four printable ones."""
    text = raw.split(b"\0")[0]
    good = (
        len(text) >= _SHORTEST_TEXT and all(0x20 <= byte < 0x7F for byte in text) and not raw[len(text) :].strip(b"\0")
    )
    return text.decode("ascii") if good else ""


def _text_across(heap: CheckedHeap, mem: int, end: int) -> tuple[str, int]:
    """Return the text that runs from inside the block over its end, quoted, and how many bytes of it (its NUL included) lie behind that; "" and 0
    where what crosses the end is no text."""
    start = max(mem, end - _TAIL)
    data = b""
    for last in (end + _TAIL, end + heap.layout.pointer_size):
        try:
            data = heap.process.memory.read(start, last - start)
            break
        except MemoryFault:
            continue
    if not data:
        return "", 0
    edge = end - start
    first, after = edge, edge
    while first > 0 and 0x20 <= data[first - 1] < 0x7F:
        first -= 1
    while after < len(data) and 0x20 <= data[after] < 0x7F:
        after += 1
    if edge - first < _SHORTEST_TEXT:
        return "", 0
    shown = data[max(first, edge - _SHOWN) : min(after, edge + _SHOWN)].decode("ascii")
    before = "…" if first < edge - _SHOWN or (first == 0 and start > mem) else ""
    is_closed = after < len(data) and data[after] == 0
    closed = "…" if after > edge + _SHOWN else ""
    return f'"{before}{shown}{closed}"{" and its NUL" if is_closed else ""}', after - edge + is_closed
