"""Links of free lists: demangling, and fd and bk of chunks that a walk has already read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdbheap.lazy import np
from gdbheap.malloc.layout import Layout
from gdbheap.process.memory import Words

if TYPE_CHECKING:
    from gdbheap.malloc.walk import Walk


def demangle(field: int, stored: int, layout: Layout) -> int:
    """Return the pointer that the link at address `field` stores (REVEAL_PTR; plain before glibc 2.32).

    Where safe-linking is not known (no list had a second chunk or an end to tell by), 0 and the mangled 0 both end the list.
    """
    if layout.safe_linking:
        return stored ^ field >> 12
    if layout.safe_linking is None and stored == field >> 12:
        return 0
    return stored


class Links:
    """fd and bk by chunk address: out of the walks' columns where a list is long, else out of memory.

    A read costs a system call; a list of a million chunks wants none. The columns' dictionaries are made at the first long list.
    """

    def __init__(self, words: Words, walks: list[Walk]) -> None:
        self._words = words
        self._walks = walks
        self._by_size: dict[int, dict[int, int]] = {}
        self._free: dict[int, tuple[int, int]] | None = None

    def fd_of_size(self, chunk: int, size: int) -> int:
        """Return the fd word of a chunk in a list of chunks of one size; raise MemoryFault."""
        if size not in self._by_size:
            table: dict[int, int] = {}
            for walk in self._walks:
                rows = (walk.raw & np.uint64(0xFFFF_FFFF_FFFF_FFF8)) == np.uint64(size)
                table.update(zip(walk.address[rows].tolist(), walk.fd[rows].tolist()))
            self._by_size[size] = table
        found = self._by_size[size].get(chunk)
        return self.fd(chunk) if found is None else found

    def fd(self, chunk: int) -> int:
        """Return the word at fd; raise MemoryFault."""
        return self._words.read(chunk + 2 * self._words.size)

    def both(self, chunk: int) -> tuple[int, int]:
        """Return fd and bk of a binned chunk; raise MemoryFault."""
        if self._free is None:
            self._free = {}
            for walk in self._walks:
                rows = walk.free_rows()
                self._free.update(zip(walk.address[rows].tolist(), zip(walk.fd[rows].tolist(), walk.bk[rows].tolist())))
        found = self._free.get(chunk)
        if found is not None:
            return found
        fd, bk = self._words.read_many(chunk + 2 * self._words.size, 2)
        return fd, bk
