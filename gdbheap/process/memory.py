"""Reading a process's memory. There is no write: gdbheap never changes what it looks at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, Protocol, cast

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Called now and then with the address that a long read has reached.
ReadProgress = Callable[[int], None]

# What struct and memoryview call an unsigned word, by its size.
WORD_FORMATS: dict[int, Literal["I", "Q"]] = {4: "I", 8: "Q"}

# No kernel's pages are smaller, and all are whole multiples: a step of so many bytes passes over no page's end.
SMALLEST_PAGE = 4096
BLOCK = 1 << 20
_ALIGNMENT = 16


class Memory(Protocol):
    """Bytes at addresses. Both methods raise MemoryFault if any byte of the range cannot be read."""

    def read(self, address: int, size: int) -> bytes:
        """Return exactly `size` bytes."""

    def read_into(self, address: int, buffer: memoryview) -> None:
        """Fill `buffer` (writable, of bytes) from `address` on: the way to read wide without allocating."""


class SparseMemory(Memory, Protocol):
    """Memory that knows what it holds, so that what it does not need not be tried."""

    def held_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that can be read; the rest is not there."""

    def data_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that may hold anything but zeros, or that cannot be read."""

    def stored_spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield, in order, the parts of [start, end) that it holds itself: no file stands in for them."""


def read_rows(memory: Memory, addresses: NDArray[np.uint64], rows: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Fill the rows of those addresses, which ascend, that the memory can read all at once, and return which these
    are: none of memory that cannot, nor of addresses for which wide reads are quicker."""
    if hasattr(memory, "read_rows"):
        known = memory.read_rows(addresses, rows.view(np.uint8))
        if known is not None:
            return cast("NDArray[np.bool_]", known)
    return np.zeros(len(addresses), np.bool_)


def sparse(memory: Memory) -> SparseMemory | None:
    """Return the memory if it knows what it holds."""
    return cast("SparseMemory", memory) if hasattr(memory, "held_spans") else None


class ImageMemory:
    """Memory made of byte strings at addresses: for tests, saved images and cores.

    `segments` are (address, bytes-like), disjoint; a read may run across adjacent ones.
    """

    def __init__(self, segments: list[tuple[int, bytes]]) -> None:
        self._segments = sorted(((start, memoryview(data)) for start, data in segments), key=lambda s: s[0])
        self._starts = [start for start, _ in self._segments]

    def read(self, address: int, size: int) -> bytes:
        if size <= 0:
            return b""
        data = bytearray(size)
        self.read_into(address, memoryview(data))
        return bytes(data)

    def read_into(self, address: int, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            at = address + done
            index = bisect_right(self._starts, at) - 1
            start, data = self._segments[index] if index >= 0 else (0, memoryview(b""))
            piece = data[at - start : at - start + len(buffer) - done] if index >= 0 else b""
            if not piece:
                raise MemoryFault(address, len(buffer))
            buffer[done : done + len(piece)] = piece
            done += len(piece)


class Words:
    """Single words and small structs out of a Memory, in the process's word size (4 or 8 bytes, little-endian)."""

    def __init__(self, memory: Memory, pointer_size: int) -> None:
        self.memory = memory
        self.size = pointer_size

    def read(self, address: int) -> int:
        """Return the unsigned word at `address`; raise MemoryFault."""
        return int.from_bytes(self.memory.read(address, self.size), "little")

    def read_many(self, address: int, count: int) -> memoryview:
        """Return `count` consecutive unsigned words as a memoryview of ints; raise MemoryFault."""
        return memoryview(self.memory.read(address, count * self.size)).cast(WORD_FORMATS[self.size])


def text_at(memory: Memory, address: int, longest: int) -> bytes:
    """Return the bytes at the address up to a zero, at most `longest`, as far as they can be read."""
    text = b""
    while len(text) < longest:
        at = address + len(text)
        try:
            piece, end, _ = memory.read(at, min(SMALLEST_PAGE - at % SMALLEST_PAGE, longest - len(text))).partition(
                b"\0"
            )
        except (MemoryFault, OverflowError):
            break
        text += piece
        if end:
            break
    return text


def readable_pieces(memory: Memory, start: int, end: int, block: int = BLOCK) -> Iterator[tuple[int, memoryview]]:
    """Yield (address, bytes) for all that can be read of [start, end), in order, at most `block` bytes at a time.

    Unreadable pages are left out (guard pages inside a mapping are: glibc 2.42+ on Linux 6.13+), so a gap between
    two pieces is what could not be read. Each view is good only until the next is asked for: one buffer serves them
    all.
    """
    buffer = memoryview(bytearray(min(block, max(end - start, 0))))
    held = sparse(memory)
    for low, high in ((start, end),) if held is None else held.held_spans(start, end):
        # Behind a gap words are where they would be without it, wherever a segment of an odd core begins.
        yield from _pieces(memory, low if low == start else -(-low // _ALIGNMENT) * _ALIGNMENT, high, buffer)


def _pieces(memory: Memory, start: int, end: int, buffer: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = start
    while at < end:
        size = min(len(buffer), end - at)
        try:
            memory.read_into(at, buffer[:size])
            yield at, buffer[:size]
        except MemoryFault:
            yield from _page_by_page(memory, at, at + size, buffer)
        at += size


def _page_by_page(memory: Memory, start: int, end: int, buffer: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = start
    while at < end:
        size = min(SMALLEST_PAGE - at % SMALLEST_PAGE, end - at)
        try:
            memory.read_into(at, buffer[:size])
        except MemoryFault:
            pass
        else:
            yield at, buffer[:size]
        at += size
