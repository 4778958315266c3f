"""Whose size field led a walk astray: the header that cannot be one is where it ended, not always where it went wrong.

A size that is too large leads over some headers into the middle of a block; the walk then stops there, or a few
imagined chunks later. But the headers that it stepped over still lead from one to the next, up to where the chunks
go on: they are found backwards from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.walk.walk import Walk
from gdbheap.lazy import np
from gdbheap.process.memory import Memory, readable_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

# So many chunks before the place where a walk ended are suspects, and so many bytes are searched for the headers that
# it missed.
_SUSPECTS = 64
_SEARCHED = 4 << 20

_SIZE_MASK = 0xFFFF_FFFF_FFFF_FFF8


def blame(memory: Memory, layout: Layout, walk: Walk, resumed: int) -> tuple[Walk, int]:
    """Return the walk as it must be cut, so that it ends at the chunk whose size field is wrong, and where the chunks
    go on behind that.

    A size that is too small leads into its own block: then the header that cannot be one is told, and the one before
    it may be at fault. `walk` ended with BAD_SIZE, and the chunks are known to go on at `resumed` (or to end there).
    """
    count = len(walk.raw)
    if not count:
        return walk, resumed
    first = max(count - _SUSPECTS, 0)
    nodes = [*walk.address[first:].tolist(), walk.end]
    raws = [*walk.raw[first:].tolist(), walk.raw_at_end]
    while len(nodes) > 1 and resumed - nodes[0] > _SEARCHED:
        del nodes[0], raws[0]
        first += 1
    missed = headers_leading_to(memory, layout, nodes[0], resumed)
    for index in range(len(nodes) - 1):
        inside = missed[np.searchsorted(missed, nodes[index] + 1) : np.searchsorted(missed, nodes[index + 1])]
        if len(inside):
            return walk.cut(first + index), _likeliest(nodes[index], raws[index], inside.tolist())
    return walk, resumed


def headers_leading_to(memory: Memory, layout: Layout, start: int, goal: int) -> NDArray[np.int64]:
    """Return, ascending, the places in [start, goal) from where plausible sizes lead exactly to `goal`."""
    word_type = np.dtype(f"u{layout.pointer_size}")
    reached = {goal}
    pieces = []
    for address, data in readable_pieces(memory, start, goal):
        words = np.frombuffer(data, word_type, len(data) // layout.pointer_size).astype(np.uint64)
        skip = -(address + layout.header) % layout.alignment // layout.pointer_size
        raw = words[skip + 1 :: layout.alignment // layout.pointer_size]
        where = address + skip * layout.pointer_size + np.arange(len(raw), dtype=np.int64) * layout.alignment
        size = raw & np.uint64(_SIZE_MASK)
        good = (size >= np.uint64(layout.min_size)) & (size & np.uint64(layout.alignment - 1) == 0)
        good &= (size <= (goal - where).astype(np.uint64)) & (raw & np.uint64(IS_MMAPPED) == 0)
        pieces.append((where[good], where[good] + size[good].astype(np.int64)))
    for where, ends in reversed(pieces):
        for place, end in zip(where[::-1].tolist(), ends[::-1].tolist()):
            if end in reached:
                reached.add(place)
    return np.array(sorted(reached - {goal}), np.int64)


def _likeliest(chunk: int, raw: int, places: list[int]) -> int:
    """Return where the chunk most likely ends: where one flipped bit explains its size, else at the first header
    that it stepped over."""
    return next((place for place in places if _one_bit_off(place - chunk, raw)), places[0])


def _one_bit_off(size: int, raw: int) -> bool:
    wrong = size ^ (raw & ~FLAG_MASK)
    return wrong & (wrong - 1) == 0
