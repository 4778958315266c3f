"""Searching memory for words in a range, or for bytes, wherever they lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import Memory, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BUFFER = 1 << 19


def searched_ranges(space: AddressSpace) -> Iterator[tuple[int, int]]:
    """Yield what a search goes through: all that is readable and writable, devices left out (reading one may do things)."""
    for vma in space:
        device = vma.path.startswith("/dev/") and not vma.path.startswith(("/dev/zero", "/dev/shm/"))
        if vma.readable and vma.writable and not device:
            yield vma.start, vma.end


def find_words(
    memory: Memory, ranges: Iterable[tuple[int, int]], width: int, low: int, high: int, most: int
) -> list[tuple[int, int]]:
    """Return (address, value) of the aligned words of `width` bytes (1, 2, 4, 8) with low <= value <= high, the first `most` of them."""
    found: list[tuple[int, int]] = []
    kind = np.dtype(f"<u{width}")
    for start, end in ranges:
        for address, data in readable_pieces(memory, -(-start // width) * width, end, _BUFFER):
            words: NDArray[np.uint64] = np.frombuffer(data, kind, len(data) // width)
            hits = np.flatnonzero((words >= kind.type(low)) & (words <= kind.type(high)))[: most - len(found)]
            found += zip((address + hits * width).tolist(), words[hits].tolist())
            if len(found) >= most:
                return found
    return found


def find_bytes(memory: Memory, ranges: Iterable[tuple[int, int]], wanted: bytes, most: int) -> list[int]:
    """Return the addresses where these bytes lie (one occurrence may overlap the next), the first `most` of them."""
    found: list[int] = []
    pattern = re.compile(b"(?=" + re.escape(wanted) + b")")
    for start, end in ranges:
        tail, reached = b"", start
        for address, data in readable_pieces(memory, start, end, _BUFFER):
            if address != reached:
                tail = b""
            # What begins in the last bytes of one piece may end in the next.
            seam = tail + bytes(data[: len(wanted) - 1])
            found += [address - len(tail) + match.start() for match in pattern.finditer(seam)]
            found += [address + match.start() for match in pattern.finditer(data)]
            reached = address + len(data)
            tail = (tail + bytes(data[1 - len(wanted) or len(data) :]))[1 - len(wanted) or len(data) :]
            if len(found) >= most:
                return found[:most]
    return found
