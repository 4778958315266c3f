"""Memory as arrays of words, for searches by shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.memory import readable_pieces
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 1 << 20


def windows(
    process: Process, ranges: Iterable[tuple[int, int]], overlap: int
) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """Yield (address, words) over what can be read of the ranges; anything of up to `overlap` bytes lies whole in one
    of them.

    Ranges start at word boundaries. The words are widened to 64 bits in a 32-bit process.
    """
    word_type = np.dtype(f"u{process.pointer_size}")
    for start, end in ranges:
        kept, kept_at = b"", start
        for address, piece in readable_pieces(process.memory, start, end, BLOCK):
            if address != kept_at + len(kept):
                kept, kept_at = b"", address
            data = kept + bytes(piece)
            count = len(data) // process.pointer_size
            yield kept_at, np.frombuffer(data, word_type, count).astype(np.uint64)
            tail = min(len(data), overlap)
            kept, kept_at = data[len(data) - tail :], kept_at + len(data) - tail
