"""What is to be said where an answer rests on a core's memory that was taken for zeros without the core's word for
it: something is called lost, or nothing was found."""

from __future__ import annotations

from collections.abc import Iterator

from gdbheap.counted import counted
from gdbheap.process.process import Process
from gdbheap.report.printable import human_size


def note_on_zeros(process: Process) -> Iterator[str]:
    """Yield the line, where there is such memory."""
    ranges = process.assumed_zeros
    if ranges:
        size = human_size(sum(end - start for start, end in ranges))
        yield (
            f"{size} of writable memory ({counted(len(ranges), 'mapping')}) are not in the core, and count as zeros: "
            "the kernel leaves out memory that the process never wrote. It also leaves out what madvise(MADV_DONTDUMP) "
            "names, and a core does not tell the two apart"
        )
