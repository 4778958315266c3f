"""How much room malloc gives for what is asked of it, and so whether a block may have been made for a type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.memory import SMALLEST_PAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sizes = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# malloc's alignment, from glibc 2.26 on (MALLOCALIGNMENT); the smallest chunk has four words (MIN_CHUNK_SIZE).
ALIGNMENT = 16
# From this size on (M_MMAP_THRESHOLD's default) a block may have pages of its own.
_MMAPPED = 128 << 10


def least_room(size: Sizes | int, overhead: int) -> Sizes:
    """Return how many usable bytes malloc gives for each size at least. `overhead` is what a chunk has beside them: a
    word of malloc's, and a header of the program's own."""
    chunk = (size + overhead + ALIGNMENT - 1) & -ALIGNMENT
    # (With 64 bits, and no other header, a chunk is larger than one unit, at least; else it is so anyhow.)
    room: Sizes = np.maximum(chunk, 2 * ALIGNMENT if overhead == ALIGNMENT // 2 else ALIGNMENT) - overhead
    return room


def fits(room: Sizes, size: Sizes | int, overhead: int) -> Mask:
    """Return which rooms are just what malloc gives for the size, or for the sizes."""
    exact: Mask = room == least_room(size, overhead)
    if (room >= _MMAPPED).any():
        large = (room >= _MMAPPED) & (size > 0) & (room >= size) & (room - size < SMALLEST_PAGE + 2 * ALIGNMENT)
        exact |= large
    return exact


def fits_loosely(room: Sizes, size: Sizes, overhead: int) -> Mask:
    """Return which rooms malloc may give for the size: a rest that is no chunk of its own stays with the block."""
    more = room - least_room(size, overhead)
    # (The smallest chunk has four words.)
    smallest = 2 * ALIGNMENT if overhead >= ALIGNMENT // 2 else ALIGNMENT
    loose: Mask = ((more >= 0) & (more < smallest)) | fits(room, size, overhead)
    return loose
