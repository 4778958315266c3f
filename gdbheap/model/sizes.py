"""Sizes: from requests to chunk sizes, from chunk sizes to bins."""

from __future__ import annotations

from gdbheap.model.errors import Unknown
from gdbheap.model.traits import Traits

NBINS = 128


class Sizes:
    """The size rules of one word size. All sizes in bytes."""

    def __init__(self, traits: Traits) -> None:
        self.pointer_size = traits.pointer_size
        self.align = traits.alignment
        self.min_size = 4 * self.pointer_size
        self._bounded = traits.requests_bounded
        self.limit = (1 << (8 * self.pointer_size - 1)) - 1
        # bins of one size each: SMALLBIN_CORRECTION is 1 where the alignment is more than two words
        self._correction = 1 if self.align > 2 * self.pointer_size else 0
        self.min_large = (64 - self._correction) * self.align
        self._large = ((6, 48, 48), (9, 20, 91)) if self.pointer_size == 8 else ((6, 45, 49), (9, 20, 91))

    def chunk_size(self, request: int) -> int | None:
        """Return the chunk size for a request (request2size), or None for one over PTRDIFF_MAX; raise Unknown where the
        release would ask arenas and kernel for that."""
        if request > self.limit and not self._bounded:
            raise Unknown("what glibc before 2.30 does about more than PTRDIFF_MAX bytes is not modelled")
        if request > self.limit or request < 0:
            return None
        return max(self.min_size, (request + self.pointer_size + self.align - 1) & -self.align)

    def is_small(self, size: int) -> bool:
        """Return whether `size` has a bin of its own."""
        return size < self.min_large

    def small_index(self, size: int) -> int:
        """Return the bin of a small size."""
        return size // self.align + self._correction

    def large_index(self, size: int) -> int:
        """Return the bin of a large size."""
        for shift, last, base in self._large:
            if size >> shift <= last:
                return base + (size >> shift)
        if size >> 12 <= 10:
            return 110 + (size >> 12)
        if size >> 15 <= 4:
            return 119 + (size >> 15)
        if size >> 18 <= 2:
            return 124 + (size >> 18)
        return 126

    def bin_index(self, size: int) -> int:
        """Return the bin of any size."""
        return self.small_index(size) if size < self.min_large else self.large_index(size)

    def fast_index(self, size: int) -> int:
        """Return the fastbin of a size; the C expression's unsigned wrap included."""
        return ((size & 0xFFFFFFFF) >> (4 if self.pointer_size == 8 else 3)) - 2
