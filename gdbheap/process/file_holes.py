"""Where a file, or a core, has data: the rest are holes, zeros that take no place on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from gdbheap.process.memory import SMALLEST_PAGE


def with_data(descriptor: int, base: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of [start, end) that are no hole of the file, in whole pages; the file's first byte is at the
    address `base`."""
    at = start
    try:
        while at < end:
            low = base + os.lseek(descriptor, at - base, os.SEEK_DATA)
            high = base + os.lseek(descriptor, low - base, os.SEEK_HOLE)
            if low < end:
                yield max(low & -SMALLEST_PAGE, start), min(-(-high // SMALLEST_PAGE) * SMALLEST_PAGE, end)
            at = max(high, at + 1)
    except OSError as error:
        # Behind the last data (and the file's end) there is no more.
        if error.errno != errno.ENXIO:
            yield at, end
