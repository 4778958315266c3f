"""Texts that the heap holds more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.analysis.types.block_types import BlockTypes
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.distinct import distinct
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.memory import Memory
from gdbheap.types.catalogue import NONE, TypeKind
from gdbheap.types.type_names import stripped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gdbheap.allocators.blocks import Blocks

# Longer blocks are not compared, nor more than so many bytes in all.
_LONGEST = 1 << 10
_MOST_BYTES = 64 << 20
_SHORTEST = 4


@dataclass(frozen=True)
class Duplicates:
    """`blocks` texts are copies of others, and take `bytes` in their chunks; `texts` different ones have copies."""

    texts: int
    blocks: int
    bytes: int


def duplicate_texts(memory: Memory, types: BlockTypes, blocks: Blocks, pointer_size: int) -> Duplicates:
    """Return what the blocks that are arrays of characters hold more than once."""
    rows = np.flatnonzero(_characters(types) & (blocks.end - blocks.start <= np.uint64(_LONGEST)))
    room = (blocks.end - blocks.start)[rows].astype(np.int64)
    texts = copies = size = done = 0
    for length in distinct(room).tolist():
        here = rows[room == length]
        here = here[: max((_MOST_BYTES - done) // max(length, 1), 0)]
        done += len(here) * length
        words = gather_words(memory, pointer_size, blocks.start[here], length // pointer_size)
        octets = np.ascontiguousarray(words.astype(np.dtype(f"u{pointer_size}"))).view(np.uint8)
        octets = octets.reshape(len(here), -1)
        end = np.where((octets == 0).any(axis=1), (octets == 0).argmax(axis=1), octets.shape[1])
        octets = np.where(np.arange(octets.shape[1])[None, :] < end[:, None], octets, np.uint8(0))[end >= _SHORTEST]
        if not len(octets):
            continue
        whole = np.ascontiguousarray(octets).view(np.dtype((np.void, octets.shape[1]))).reshape(-1)
        _, counts = np.unique(whole, return_counts=True)
        again = int((counts - 1).sum())
        texts += int((counts > 1).sum())
        copies += again
        size += again * int(blocks.size[here[0]])
    return Duplicates(texts, copies, size)


def _characters(types: BlockTypes) -> NDArray[np.bool_]:
    """Return which blocks are arrays of characters from their start on."""
    catalogue = types.catalogue
    numbers = distinct(types.type[types.type >= 0]).tolist()
    wanted = [
        number
        for number in numbers
        if (behind := stripped(catalogue, number)) != NONE and catalogue.types[behind].kind is TypeKind.CHARACTER
    ]
    found: NDArray[np.bool_] = np.isin(types.type, wanted) & (types.part == 0)
    return found
