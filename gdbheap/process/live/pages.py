"""Which pages of a live process's mappings exist, and as what: from PAGEMAP_SCAN where the kernel has it, else from
pagemap.

Asking touches nothing. What neither tells on some kernel is said by `Pages.source`.
"""

from __future__ import annotations

import enum
import fcntl
import os
import re
import struct
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator

from gdbheap.files import open_regular
from gdbheap.lazy import dataclass, regex
from gdbheap.process.address_space import VMA
from gdbheap.process.live.kernel_page import KERNEL_PAGE


class PageState(enum.IntEnum):
    """What a page is to the process. `label` is the published name, `glyph` stands for it in a strip."""

    UNTOUCHED = 0
    ZERO = 1
    ANONYMOUS = 2
    FILE = 3
    SWAPPED = 4
    GUARD = 5

    @property
    def label(self) -> str:
        """The name in text and JSON: "untouched", "zero", ..."""
        return self.name.lower()

    @property
    def glyph(self) -> str:
        return ".zafsg"[self]


# How the states were learnt.
PAGEMAP_SCAN = "PAGEMAP_SCAN"
PAGEMAP = "pagemap"


@dataclass(frozen=True)
class PageRun:
    """Pages of one state, [start, end). `huge`: mapped as one huge page (only PAGEMAP_SCAN tells)."""

    start: int
    end: int
    state: PageState
    huge: bool = False


_IN_MEMORY = (PageState.ANONYMOUS, PageState.FILE)
# Beyond it lies the vsyscall page, which is in no page table.
_LAST = 1 << 63


@dataclass(frozen=True)
class Pages:
    """The runs of a mapping, in order and without a gap. With `source` PAGEMAP, "zero" may also be a page shared
    with a forked process."""

    vma: VMA
    runs: tuple[PageRun, ...]
    source: str

    def counts(self) -> Counter[PageState]:
        """Return the number of pages of each state."""
        counts: Counter[PageState] = Counter()
        for run in self.runs:
            counts[run.state] += (run.end - run.start) // KERNEL_PAGE
        return counts

    @property
    def resident(self) -> int:
        """Bytes in memory, as the kernel counts them in Rss: the zero page is nobody's."""
        counts = self.counts()
        return (counts[PageState.ANONYMOUS] + counts[PageState.FILE]) * KERNEL_PAGE

    @property
    def huge(self) -> int:
        """Bytes mapped as huge pages."""
        return sum(run.end - run.start for run in self.runs if run.huge)

    def strip(self, width: int) -> str:
        """Return at most `width` glyphs, each for an equal number of pages: what most of those that exist are; a
        capital where all are."""
        step = -(-(self.vma.size // KERNEL_PAGE) // width) * KERNEL_PAGE
        groups: list[Counter[PageState]] = [Counter() for _ in range(-(-self.vma.size // step))]
        for run in self.runs:
            if run.state is not PageState.UNTOUCHED:
                _spread(groups, run, self.vma.start, step)
        last = (self.vma.size - 1) % step // KERNEL_PAGE + 1
        sizes = [step // KERNEL_PAGE] * (len(groups) - 1) + [last]
        return "".join(_glyph(group, size) for group, size in zip(groups, sizes))


def _glyph(group: Counter[PageState], size: int) -> str:
    if not group:
        return PageState.UNTOUCHED.glyph
    state, count = group.most_common(1)[0]
    return state.glyph.upper() if count == size else state.glyph


def read_pages(pid: int, vmas: Iterable[VMA]) -> Iterator[Pages]:
    """Yield the pages of each mapping of a process on this machine; raise OSError where the kernel does not let us ask.

    vsyscall, which lies beyond all page tables, is left out.
    """
    with open_regular(f"/proc/{pid}/pagemap") as pagemap:
        scan = PageScan(pagemap.fileno())
        for vma in vmas:
            if vma.end > _LAST:
                continue
            if scan.works:
                yield Pages(vma, tuple(_filled(vma, scan.runs(vma))), PAGEMAP_SCAN)
            else:
                yield Pages(vma, tuple(_merged(_pagemap_runs(pagemap.fileno(), vma))), PAGEMAP)


def resident_spans(pid: int, vmas: Iterable[VMA]) -> list[tuple[int, int]]:
    """Return [start, end) of what is in memory of the mappings, the page of zeros left out; raise OSError as
    read_pages() does."""
    with open_regular(f"/proc/{pid}/pagemap") as pagemap:
        scan = PageScan(pagemap.fileno())
        found: list[tuple[int, int]] = []
        for vma in vmas:
            if vma.end <= _LAST:
                runs = scan.runs(vma) if scan.works else _pagemap_runs(pagemap.fileno(), vma)
                found += [(run.start, run.end) for run in runs if run.state in _IN_MEMORY]
        return found


def _spread(groups: list[Counter[PageState]], run: PageRun, base: int, step: int) -> None:
    """Count a run's pages into the groups that it reaches."""
    at = run.start
    while at < run.end:
        index = (at - base) // step
        stop = min(run.end, base + (index + 1) * step)
        groups[index][run.state] += (stop - at) // KERNEL_PAGE
        at = stop


# include/uapi/linux/fs.h (Linux 6.7): struct pm_scan_arg, struct page_region and the categories.
_IOCTL_SCAN = 0xC0606610
_SCAN_ARGUMENT = struct.Struct("<12Q")
_FILE, _PRESENT, _SWAPPED, _ZERO_PAGE, _HUGE, _GUARD = 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 8
_REGIONS = 4096
# So much is asked about at once, at least.
_AHEAD = 4 << 20


class PageScan:
    """The ioctl PAGEMAP_SCAN on an open pagemap. `works` is False where the kernel has none (before Linux 6.7)."""

    def __init__(self, pagemap: int) -> None:
        self._pagemap = pagemap
        self._regions = array("Q", bytes(24 * _REGIONS))
        self._guard = _GUARD
        # What was found in [low, high): (start, end, categories) of each region, and their ends.
        self._low = self._high = 0
        self._told: list[tuple[int, int, int]] = []
        self._ends: list[int] = []
        self.works = self._try(_GUARD) or self._try(0)

    def _try(self, guard: int) -> bool:
        """Whether the kernel takes the request, with PAGE_IS_GUARD (Linux 6.15) or without."""
        self._guard = guard
        try:
            self._scan(KERNEL_PAGE, 2 * KERNEL_PAGE)
        except OSError:
            return False
        return True

    def runs(self, vma: VMA) -> Iterator[PageRun]:
        """Yield the runs of all that was touched; raise OSError."""
        at = vma.start
        while at < vma.end:
            if not self._low <= at < self._high:
                self._look(at, vma.end)
            for start, end, categories in self._told[bisect_right(self._ends, at) :]:
                if start >= vma.end:
                    return
                run = max(start, at), min(end, vma.end)
                yield PageRun(*run, _scanned_state(categories), bool(categories & _HUGE))
            if self._high <= at:
                return
            at = self._high

    def _look(self, start: int, end: int) -> None:
        """Note what was touched from the start on, also behind the end: thousands of mappings may lie side by side."""
        try:
            regions, reached = self._pass(start, max(end, start + _AHEAD))
        except OSError:
            regions, reached = self._pass(start, end)
        told = regions.tolist()
        self._told = list(zip(told[::3], told[1::3], told[2::3]))
        self._ends = told[1::3]
        self._low, self._high = start, reached

    def touched(self, vma: VMA) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the spans of what was touched, the page of zeros left out, and of guard pages; raise OSError."""
        touched: list[tuple[int, int]] = []
        guards: list[tuple[int, int]] = []
        at, before = vma.start, -1
        while before < at < vma.end:
            regions, reached = self._pass(at, vma.end)
            for start, end, categories in zip(regions[::3], regions[1::3], regions[2::3]):
                if not categories & (_GUARD | _ZERO_PAGE):
                    if touched and touched[-1][1] == start:
                        start = touched.pop()[0]
                    touched.append((start, end))
                elif categories & _GUARD:
                    guards.append((start, end))
            at, before = reached, at
        return touched, guards

    def _pass(self, start: int, end: int) -> tuple[array[int], int]:
        """Return start, end and categories of one region after the other, as many as a request gives, and up to where
        that tells; raise OSError."""
        count, walked = self._scan(start, end)
        # With all regions used the kernel may say that it walked less far than the last of them reaches (seen on Linux
        # 6.18).
        return self._regions[: 3 * count], max(walked, self._regions[3 * count - 2] if count else 0)

    def _scan(self, start: int, end: int) -> tuple[int, int]:
        """Fill the regions; return how many there are, and up to which address they tell."""
        any_of = _PRESENT | _SWAPPED | self._guard
        argument = bytearray(
            _SCAN_ARGUMENT.pack(
                _SCAN_ARGUMENT.size,
                0,
                start,
                end,
                0,
                self._regions.buffer_info()[0],
                _REGIONS,
                0,
                0,
                0,
                any_of,
                any_of | _FILE | _ZERO_PAGE | _HUGE,
            )
        )
        count = fcntl.ioctl(self._pagemap, _IOCTL_SCAN, argument, True)
        return count, _SCAN_ARGUMENT.unpack(argument)[4]


def _scanned_state(categories: int) -> PageState:
    if categories & _GUARD:
        return PageState.GUARD
    if categories & _SWAPPED:
        return PageState.SWAPPED
    if categories & _ZERO_PAGE:
        return PageState.ZERO
    return PageState.FILE if categories & _FILE else PageState.ANONYMOUS


def _filled(vma: VMA, runs: Iterable[PageRun]) -> Iterator[PageRun]:
    """Yield the runs and, between them, what was never touched."""
    at = vma.start
    for run in _merged(runs):
        if run.start > at:
            yield PageRun(at, run.start, PageState.UNTOUCHED)
        yield run
        at = run.end
    if at < vma.end:
        yield PageRun(at, vma.end, PageState.UNTOUCHED)


def _merged(runs: Iterable[PageRun]) -> Iterator[PageRun]:
    last: PageRun | None = None
    for run in runs:
        if last is not None and (last.end, last.state, last.huge) == (run.start, run.state, run.huge):
            last = PageRun(last.start, run.end, run.state, run.huge)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


def _pagemap_state(top: int) -> PageState:
    """Return the state by the top byte of a pagemap entry (Documentation/admin-guide/mm/pagemap.rst): bit 63
    present, 62 swapped, 61 file or shared, 58 guard, 56 exclusively mapped. The zero page is mapped by many and
    is no file's."""
    if top & 0x04:
        return PageState.GUARD
    if top & 0x40:
        return PageState.SWAPPED
    if not top & 0x80:
        return PageState.UNTOUCHED
    if top & 0x20:
        return PageState.FILE
    return PageState.ANONYMOUS if top & 0x01 else PageState.ZERO


_STATES = bytes(_pagemap_state(top) for top in range(256))
_SAME = regex(rb"(.)\1*", re.DOTALL)
_BLOCK_PAGES = 1 << 16


def _pagemap_runs(pagemap: int, vma: VMA) -> Iterator[PageRun]:
    """Yield runs, split at the blocks that pagemap is read in; raise OSError."""
    for start in range(vma.start, vma.end, _BLOCK_PAGES * KERNEL_PAGE):
        pages = min(_BLOCK_PAGES, (vma.end - start) // KERNEL_PAGE)
        entries = os.pread(pagemap, 8 * pages, start // KERNEL_PAGE * 8)
        states = entries[7::8].translate(_STATES).ljust(pages, b"\0")
        for match in _SAME.finditer(states):
            yield PageRun(
                start + match.start() * KERNEL_PAGE, start + match.end() * KERNEL_PAGE, PageState(match[1][0])
            )
