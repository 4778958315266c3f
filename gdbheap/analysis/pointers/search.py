"""Searching memory for words in a range, or for bytes, wherever they lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import Memory, ReadProgress, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BUFFER = 1 << 19

# Which of some addresses are wanted.
Chosen = Callable[["NDArray[np.uint64]"], "NDArray[np.bool_]"]


def searched_ranges(space: AddressSpace) -> Iterator[tuple[int, int]]:
    """Yield what a search goes through: all that is readable and writable, devices left out (reading one may do things)."""
    for vma in space:
        device = vma.path.startswith("/dev/") and not vma.path.startswith(("/dev/zero", "/dev/shm/"))
        if vma.readable and vma.writable and not device:
            yield vma.start, vma.end


def find_words(
    memory: Memory,
    ranges: Iterable[tuple[int, int]],
    width: int,
    low: int,
    high: int,
    chosen: Chosen | None = None,
    progress: ReadProgress | None = None,
) -> Iterator[tuple[int, int]]:
    """Yield (address, value) of the aligned words of `width` bytes (1, 2, 4, 8) with low <= value <= high, of those at `chosen` addresses.
    `progress` is called with each address reached."""
    kind = np.dtype(f"<u{width}")
    for start, end in ranges:
        for address, data in readable_pieces(memory, -(-start // width) * width, end, _BUFFER):
            words: NDArray[np.uint64] = np.frombuffer(data, kind, len(data) // width)
            hits = np.flatnonzero((words >= kind.type(low)) & (words <= kind.type(high)))
            if chosen is not None and len(hits):
                hits = hits[chosen(hits.astype(np.uint64) * np.uint64(width) + np.uint64(address))]
            yield from zip((address + hits * width).tolist(), words[hits].tolist())
            if progress is not None:
                progress(address)


def find_bytes(
    memory: Memory,
    ranges: Iterable[tuple[int, int]],
    wanted: bytes,
    chosen: Chosen | None = None,
    progress: ReadProgress | None = None,
) -> Iterator[int]:
    """Yield the addresses where these bytes lie (one occurrence may overlap the next, or lie in two ranges side by side), as find_words()."""
    pattern = re.compile(b"(?=" + re.escape(wanted) + b")")
    tail, reached = b"", 0
    for start, end in ranges:
        for address, data in readable_pieces(memory, start, end, _BUFFER):
            if address != reached:
                tail = b""
            # What begins in the last bytes of one piece may end in the next.
            seam = tail + bytes(data[: len(wanted) - 1])
            hits = [address - len(tail) + match.start() for match in pattern.finditer(seam)]
            hits += [address + match.start() for match in pattern.finditer(data)]
            if chosen is not None and hits:
                hits = np.array(hits, np.uint64)[chosen(np.array(hits, np.uint64))].tolist()
            yield from hits
            reached = address + len(data)
            tail = (tail + bytes(data[1 - len(wanted) or len(data) :]))[1 - len(wanted) or len(data) :]
            if progress is not None:
                progress(address)
