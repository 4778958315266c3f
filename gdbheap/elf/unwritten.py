"""Memory that a process never wrote: the kernel leaves it out of its cores, for it is nothing but zeros.

mirrors vma_dump_size() in fs/coredump.c: of a private mapping without a file the kernel writes nothing where no page
of it was ever written (it has no anon_vma), and all of it else. Nothing is written, either, of what
madvise(MADV_DONTDUMP) asks to leave out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gdbheap.elf.core_memory import CoreSegment
from gdbheap.elf.core_notes import Notes
from gdbheap.process.address_space import without
from gdbheap.process.images.elf_headers import PF_W
from gdbheap.process.process import Process


def mark_unwritten(segments: list[CoreSegment], notes: Notes) -> list[CoreSegment]:
    """Return the segments, those marked that are anonymous, writable and have nothing in the core though others like
    them have.

    Where none has anything, a filter left out all of them. gdb writes whole segments, or none. Without the list of
    file mappings nobody knows what is anonymous.
    """
    if notes.by_gdb or not notes.files:
        return segments
    files = sorted((file.start, file.end) for file in notes.files)
    starts = [start for start, _ in files]

    def is_anonymous(segment: CoreSegment) -> bool:
        index = bisect_right(starts, segment.start) - 1
        return bool(segment.flags & PF_W) and (index < 0 or files[index][1] <= segment.start)

    if not any(segment.stored and is_anonymous(segment) for segment in segments):
        return segments
    return [replace(each, unwritten=True) if not each.stored and is_anonymous(each) else each for each in segments]


def without_bss(ranges: Iterable[tuple[int, int]], process: Process) -> Iterator[tuple[int, int]]:
    """Yield what of the ranges is not a module's bss: that is zeros for certain until it is written, and nobody asks
    for it to be left out."""
    bss = sorted(
        (process.page_of(segment.file_end), process.page_after(segment.end))
        for module in process.modules
        for segment in module.segments
        if segment.end > segment.file_end
    )
    for start, end in ranges:
        yield from without(start, end, bss)
