"""What a chunk holds, in a few words: text, pointers with their symbols, or the links of a free one."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import Chunk, State
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.walk.links import demangle
from gdbheap.process.memory import WORD_FORMATS, Memory, Words
from gdbheap.process.symbols import SymbolAt

TEXT_BYTES = 48
SHORTEST_TEXT = 4
WORDS = 3
_PRINTABLE = bytes(range(0x20, 0x7F))


def preview(memory: Memory, layout: Layout, chunk: Chunk, symbol_at: SymbolAt) -> str:
    """Return a short text for the chunk's contents; "" where there is nothing to say of it, "unreadable" where it
    cannot be read."""
    if chunk.state in (State.TOP, State.FENCEPOST, State.UNKNOWN):
        return ""
    try:
        if chunk.state.is_free:
            return _links(memory, layout, chunk)
        return _contents(memory, layout, chunk, symbol_at)
    except MemoryFault:
        return "unreadable"


def _links(memory: Memory, layout: Layout, chunk: Chunk) -> str:
    mem = chunk.address + layout.header
    return links(layout, chunk.state, mem, *Words(memory, layout.pointer_size).read_many(mem, 2))


def links(layout: Layout, state: int, mem: int, fd: int, bk: int) -> str:
    """Return what is said of the links of a free chunk."""
    if state in (State.TCACHE, State.FASTBIN):
        following = demangle(mem, fd, layout)
        return f"fd={fd:#x}" if following == fd else f"fd={fd:#x} (={following:#x})"
    return f"fd={fd:#x} bk={bk:#x}"


def _contents(memory: Memory, layout: Layout, chunk: Chunk, symbol_at: SymbolAt) -> str:
    size = max(min(chunk.size - layout.pointer_size, TEXT_BYTES), 0) // layout.pointer_size * layout.pointer_size
    data = memory.read(chunk.address + layout.header, size)
    text = leading_text(data)
    if text and not _is_pointer(memory, data, layout.pointer_size):
        return text
    words = memoryview(data).cast(WORD_FORMATS[layout.pointer_size]).tolist()
    if not any(words):
        return "zeros"
    shown = []
    for word in words[:WORDS]:
        symbol = symbol_at(word) if word > 0xFFFF else None
        shown.append(f"{word:#x} <{symbol}>" if symbol else f"{word:#x}")
    return " ".join(shown)


def _is_pointer(memory: Memory, data: bytes, size: int) -> bool:
    """Whether the first word is the address of something, though its bytes could be read as a text that ends in it."""
    word = data[:size]
    if b"\0" not in word or len(word) < size:
        return False
    try:
        memory.read(int.from_bytes(word, "little"), 1)
    except MemoryFault:
        return False
    return True


def leading_text(data: bytes) -> str:
    """Return the printable ASCII that `data` begins with, quoted, "…" behind it where it goes on; "" where it is too
    short to be text."""
    end = len(data) - len(data.lstrip(_PRINTABLE))
    ends_well = end == len(data) or data[end] in b"\0\n\r\t"
    if end < SHORTEST_TEXT or not ends_well:
        return ""
    return f'"{data[:end].decode("ascii")}"' + ("…" if end == len(data) else "")
