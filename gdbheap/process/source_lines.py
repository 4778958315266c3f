"""Lines of source files of this machine."""

from __future__ import annotations

from io import BytesIO
from itertools import islice

from gdbheap.files import read_regular

# The longest source is SQLite's in one file: 9 MB.
_MOST_SOURCE = 32 << 20
_MOST_LINE = 1000


def source_lines(path: str, first: int, count: int) -> list[str]:
    """Return lines of the file that debug information names, which may be a device as well, or of any size; [] where
    it cannot be read. (The number of the first may be any, too.)"""
    if not 0 < first <= _MOST_SOURCE:
        return []
    try:
        lines = BytesIO(read_regular(path, _MOST_SOURCE))
    except OSError:
        return []
    wanted = islice(lines, first - 1, first - 1 + count)
    return [each[:_MOST_LINE].decode("utf-8", "replace").strip() for each in wanted]
