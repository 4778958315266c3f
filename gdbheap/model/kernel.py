"""Kernel: the system calls that malloc makes (brk, mmap, munmap, mremap, madvise) on a modelled address space."""

from __future__ import annotations

from dataclasses import dataclass, field

from gdbheap.model.memory import PAGE, Memory
from gdbheap.model.placement import page_up, place_mapping
from gdbheap.model.ranges import Ranges


@dataclass
class Kernel:
    """What is mapped, and where new mappings go: top-down, into the highest hole below `mmap_base` that fits.

    `huge_alignment`: whether anonymous mappings of whole multiples of 2 MiB are put at such a multiple (64-bit processes on Linux 6.7 and later).
    `taken` holds every mapping, the inaccessible too; `limit` is the first address past the process's own half.
    """

    memory: Memory
    brk: int
    mmap_base: int
    limit: int
    huge_alignment: bool = False
    low: int = 0x10000
    taken: Ranges = field(default_factory=Ranges)

    def sbrk(self, increment: int) -> int | None:
        """Move the break; return where it was, or None where the kernel refuses (the way up is not free)."""
        old, new = self.brk, self.brk + increment
        if increment > 0:
            start, end = page_up(old), page_up(new)
            # mirrors the kernel's brk(): one page is kept free below the next mapping
            if end > self.limit or (end > start and self.taken.overlap(start, end + PAGE)):
                return None
            self.taken.add(start, end)
            self.memory.accessible.add(start, end)
        elif increment < 0:
            self._release(page_up(new), page_up(old))
        self.brk = new
        return old

    def mmap(self, size: int, hint: int = 0, accessible: bool = True) -> int | None:
        """Map `size` bytes (whole pages), at `hint` if that is free; return where, or None."""
        if size <= 0 or size > self.limit:
            return None
        address: int | None = hint
        if not hint or self.taken.overlap(hint, hint + size):
            address = self._place(size, 0 if not hint else None)
            if address is None:
                return None
        assert address is not None
        self.taken.add(address, address + size)
        if accessible:
            self.memory.accessible.add(address, address + size)
        return address

    def munmap(self, start: int, size: int) -> None:
        """Unmap."""
        self._release(start, start + size)

    def protect(self, start: int, size: int) -> None:
        """Make a mapped stretch accessible."""
        self.memory.accessible.add(start, start + size)

    def dontneed(self, start: int, size: int) -> None:
        """Give the pages back: they read as zero from now on."""
        self.memory.drop(start, start + size)

    def mremap(self, start: int, old: int, new: int) -> int | None:
        """Resize a mapping, moving it where it must; return where it is then, or None."""
        if new <= old:
            self._release(start + new, start + old)
            return start
        if not self.taken.overlap(start + old, start + new):
            self.taken.add(start + old, start + new)
            self.memory.accessible.add(start + old, start + new)
            return start
        target = self._place(new, start)
        if target is None:
            return None
        self.taken.add(target, target + new)
        self.memory.accessible.add(target, target + new)
        self.memory.move(start, old, target)
        self._release(start, start + old)
        return target

    def _place(self, size: int, offset: int | None) -> int | None:
        """Find a hole. `offset` is what the mapping counts its pages from, for the alignment; None: there was a hint, and nothing is aligned."""
        aligned_from = offset if self.huge_alignment else None
        return place_mapping(self.taken.downwards, size, self.low, self.mmap_base, aligned_from)

    def _release(self, start: int, end: int) -> None:
        self.taken.remove(start, end)
        self.memory.accessible.remove(start, end)
        self.memory.drop(start, end)
