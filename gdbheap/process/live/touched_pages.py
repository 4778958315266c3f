"""Which pages of its mappings a process has touched: where, and no more than that."""

from __future__ import annotations

from contextlib import ExitStack

from gdbheap.files import open_regular
from gdbheap.process.address_space import VMA
from gdbheap.process.live.pages import PageScan, PageState, read_pages

Spans = list[tuple[int, int]]


class TouchedPages:
    """What the kernel tells of the pages of a process of this machine, as long as this is open."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._scan: PageScan | None = None
        self._open = ExitStack()

    def __enter__(self) -> TouchedPages:
        try:
            pagemap = self._open.enter_context(open_regular(f"/proc/{self._pid}/pagemap"))
        except OSError:
            return self
        scan = PageScan(pagemap.fileno())
        self._scan = scan if scan.works else None
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def of(self, vma: VMA) -> tuple[Spans, Spans] | None:
        """Return the spans of pages that are in memory or swapped, and those of guard pages; None where the kernel
        does not tell. (The page of zeros may be left out.)"""
        try:
            if self._scan is not None:
                return self._scan.touched(vma)
            runs = [run for pages in read_pages(self._pid, [vma]) for run in pages.runs]
        except OSError:
            return None
        fresh = (PageState.UNTOUCHED, PageState.GUARD)
        guards = [(run.start, run.end) for run in runs if run.state is PageState.GUARD]
        return [(run.start, run.end) for run in runs if run.state not in fresh], guards
