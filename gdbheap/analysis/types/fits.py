"""How much room malloc gives for what is asked of it, and so whether a block may have been made for a type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.process.memory import SMALLEST_PAGE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sizes = NDArray[np.int64]
    Mask = NDArray[np.bool_]

# malloc's alignment and the smallest chunk's words, from glibc 2.26 on (MALLOC_ALIGNMENT, MIN_CHUNK_SIZE).
_ALIGNMENT = 16
_LEAST_WORDS = 4
# From this size on (M_MMAP_THRESHOLD's default) a block may have pages of its own.
_MMAPPED = 128 << 10


def least_room(size: Sizes, pointer_size: int) -> Sizes:
    """Return how many usable bytes malloc gives for each size at least."""
    chunk = (size + pointer_size + _ALIGNMENT - 1) & -_ALIGNMENT
    least = -(-_LEAST_WORDS * pointer_size // _ALIGNMENT) * _ALIGNMENT
    room: Sizes = np.maximum(chunk, least) - pointer_size
    return room


def fits(room: Sizes, size: Sizes, pointer_size: int) -> Mask:
    """Return which rooms are just what malloc gives for the size."""
    large = (room >= _MMAPPED) & (size > 0) & (room >= size) & (room - size < SMALLEST_PAGE + 2 * _ALIGNMENT)
    exact: Mask = (room == least_room(size, pointer_size)) | large
    return exact


def fits_loosely(room: Sizes, size: Sizes, pointer_size: int) -> Mask:
    """Return which rooms malloc may give for the size: a rest that is no chunk of its own stays with the block."""
    more = room - least_room(size, pointer_size)
    loose: Mask = ((more >= 0) & (more < 2 * _ALIGNMENT)) | fits(room, size, pointer_size)
    return loose
