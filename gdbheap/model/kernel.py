"""Kernel: the system calls that malloc makes (brk, mmap, munmap, mremap, madvise) on a modelled address space."""

from __future__ import annotations

from dataclasses import dataclass, field

from gdbheap.model.errors import Unknown, known
from gdbheap.model.memory import PAGE, ModelMemory
from gdbheap.model.placement import huge_page, place_mapping, rounded_up
from gdbheap.model.ranges import SortedRanges


@dataclass
class Kernel:
    """What is mapped, and where new mappings go: top-down, into the highest hole below `mmap_base` that fits.

    `huge_alignment`: whether anonymous mappings of whole multiples of a huge page (2 MiB where pages are 4 KiB) are put
    at such a multiple (64-bit processes on Linux 6.7 and later). `taken` holds every mapping, the inaccessible too;
    `limit` is the first address past the process's own half. `most` is the most that is granted at once
    (vm.overcommit_memory), `room` what all mappings together may still grow by (RLIMIT_AS), both in bytes (None: any).
    The break, `mmap_base` and `huge_alignment` are None where they are not known: what rests on them raises Unknown.
    """

    memory: ModelMemory
    break_at: int | None
    mmap_base: int | None
    limit: int
    huge_alignment: bool | None = False
    low: int = 0x10000
    taken: SortedRanges = field(default_factory=SortedRanges)
    most: int | None = None
    room: int | None = None
    page_size: int = PAGE

    @property
    def brk(self) -> int:
        """Where the break is; Unknown where nobody knows."""
        return known(self.break_at, "the program break")

    def page_up(self, value: int) -> int:
        """Return `value` rounded up to whole pages."""
        return rounded_up(value, self.page_size)

    def sbrk(self, increment: int) -> int | None:
        """Move the break; return where it was, or None where the kernel refuses (the way up is not free)."""
        old, new = self.brk, self.brk + increment
        start, end = self.page_up(old), self.page_up(new)
        if increment > 0:
            # mirrors the kernel's brk(): one page is kept free below the next mapping
            in_the_way = end > start and self.taken.overlap(start, end + self.page_size)
            if end > self.limit or in_the_way or not self._grants(end - start):
                return None
            self._take(start, end)
        elif increment < 0:
            self._release(end, start)
        self.break_at = new
        return old

    def mmap(self, size: int, hint: int = 0, accessible: bool = True) -> int | None:
        """Map `size` bytes (whole pages), at `hint` if that is free; return where, or None."""
        if size <= 0 or size > self.limit or not self._grants(size, accessible):
            return None
        if hint and not self.taken.overlap(hint, hint + size):
            address: int | None = hint
        else:
            address = self._place(size, 0 if not hint else None)
        if address is not None:
            self._take(address, address + size, accessible)
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
        if not self._grants(new - old):
            return None
        if not self.taken.overlap(start + old, start + new):
            self._take(start + old, start + new)
            return start
        target = self._place(new, start)
        if target is None:
            return None
        self._take(target, target + new)
        self.memory.move(start, old, target)
        self._release(start, start + old)
        return target

    def _place(self, size: int, offset: int | None) -> int | None:
        """Find a hole. `offset` is what the mapping counts its pages from, for the alignment; None: there was a
        hint, and nothing is aligned."""
        high = known(self.mmap_base, "where the kernel puts mappings")
        plain = place_mapping(self.taken.downwards, size, self.low, high)
        huge = huge_page(self.page_size)
        if self.huge_alignment is False or offset is None or size % huge:
            return plain
        aligned = place_mapping(self.taken.downwards, size, self.low, high, (offset, huge))
        if self.huge_alignment is None and aligned != plain:
            raise Unknown("whether the kernel aligns large mappings (Linux 6.7 and later do) is not known")
        return aligned

    def _grants(self, more: int, writable: bool = True) -> bool:
        """Whether the kernel lets the mappings grow by `more` bytes."""
        too_much = writable and self.most is not None and more > self.most
        return not too_much and (self.room is None or more <= self.room)

    def _take(self, start: int, end: int, accessible: bool = True) -> None:
        if self.room is not None:
            self.room -= end - start
        self.taken.add(start, end)
        if accessible:
            self.memory.accessible.add(start, end)

    def _release(self, start: int, end: int) -> None:
        if self.room is not None:
            self.room += end - start
        self.taken.remove(start, end)
        self.memory.accessible.remove(start, end)
        self.memory.drop(start, end)
