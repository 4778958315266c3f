"""Leaving out, of huge mappings, what the process has never touched, and a file's holes: a reserved terabyte is not read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import merge
from io import FileIO

from gdbheap.process.address_space import VMA
from gdbheap.process.live_memory import is_private_anonymous
from gdbheap.process.mapped_file import may_be_regular_file, open_mapped_file
from gdbheap.process.memory import PAGE
from gdbheap.process.pages import PageState, read_pages
from gdbheap.process.process import Process

# Reading less than this costs less than asking for its pages.
_LARGE = 64 << 20
_EMPTY = (PageState.UNTOUCHED, PageState.ZERO, PageState.GUARD)


def touched_spans(process: Process, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of the [start, end) spans that may hold anything but zeros. Each span lies in one mapping."""
    for start, end in spans:
        vma = process.address_space.find(start)
        if end - start < _LARGE or process.pid is None or vma is None or end > vma.end:
            yield start, end
        elif is_private_anonymous(vma):
            yield from _asked(process.pid, vma, start, end, fresh=_EMPTY)
        elif may_be_regular_file(vma):
            yield from _of_file(process.pid, vma, start, end)
        else:
            yield start, end


def _asked(pid: int, vma: VMA, start: int, end: int, fresh: tuple[PageState, ...]) -> Iterator[tuple[int, int]]:
    """Yield where the pages of this process are in another state than `fresh`."""
    try:
        pages = next(read_pages(pid, [replace(vma, start=start & -PAGE, end=-(-end // PAGE) * PAGE)]))
    except (OSError, StopIteration):
        yield start, end
        return
    for run in pages.runs:
        if run.state not in fresh:
            yield max(run.start, start), min(run.end, end)


def _of_file(pid: int, vma: VMA, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where the file has data, or a private mapping pages of its own. Of a file that cannot be opened, what this process has touched
    (to touch the rest would fill the file)."""
    file = open_mapped_file(pid, vma)
    if file is None:
        yield from _asked(pid, vma, start, end, fresh=_EMPTY)
        return
    own = [] if vma.shared else list(_asked(pid, vma, start, end, fresh=(*_EMPTY, PageState.FILE)))
    with file:
        yield from _united(merge(own, _with_data(file, vma.start - vma.offset, start, end)))


def _with_data(file: FileIO, base: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of [start, end) that are no hole of the file, in whole pages; the file's first byte is at the address `base`."""
    at = start
    try:
        while at < end:
            low = base + os.lseek(file.fileno(), at - base, os.SEEK_DATA)
            high = base + os.lseek(file.fileno(), low - base, os.SEEK_HOLE)
            if low < end:
                yield max(low & -PAGE, start), min(-(-high // PAGE) * PAGE, end)
            at = max(high, at + 1)
    except OSError as error:
        # Behind the last data (and the file's end) there is no more.
        if error.errno != errno.ENXIO:
            yield at, end


def _united(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield spans, which come in order of their starts, with those that touch or overlap made one."""
    low, high = 0, -1
    for start, end in spans:
        if start <= high:
            high = max(high, end)
            continue
        if low < high:
            yield low, high
        low, high = start, end
    if low < high:
        yield low, high
