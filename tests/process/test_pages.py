"""What pages are, against what was done to them and against the kernel's own sums; both ways of asking."""

from __future__ import annotations

import ctypes
import mmap
import os

import pytest

from gdbheap.process.address_space import VMA
from gdbheap.process.live import pages
from gdbheap.process.live.live_memory import LiveMemory
from gdbheap.process.live.pages import PAGEMAP, PAGEMAP_SCAN, PageRun, Pages, PageState, read_pages
from gdbheap.process.live.proc_maps import read_maps, read_smaps
from gdbheap.process.memory import SMALLEST_PAGE as PAGE
from gdbheap.process.memory import ImageMemory
from support.sparse_process import sparse_process

MIB = 1 << 20
LIBC = ctypes.CDLL(None, use_errno=True)
MADV_NOHUGEPAGE, MADV_GUARD_INSTALL = 15, 102


def kernel_scans() -> bool:
    """Whether this kernel has PAGEMAP_SCAN (Linux 6.7)."""
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (6, 7)


@pytest.fixture(params=[PAGEMAP_SCAN, PAGEMAP])
def way(request, monkeypatch):
    """The source that must be told: PAGEMAP_SCAN where the kernel has it, and pagemap in any case."""
    if request.param == PAGEMAP:
        monkeypatch.setattr(pages.PageScan, "_try", lambda self, guard: False)
    return request.param if kernel_scans() else PAGEMAP


class Area:
    """A mapping of this process, of which the test knows each page's fate."""

    def __init__(self, size: int, file: int = -1) -> None:
        flags = mmap.MAP_PRIVATE if file >= 0 else mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self.bytes = mmap.mmap(file, size, flags)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.bytes))
        self.size = size
        self.advise(0, size, MADV_NOHUGEPAGE)

    def advise(self, offset: int, size: int, advice: int) -> bool:
        return LIBC.madvise(ctypes.c_void_p(self.start + offset), ctypes.c_size_t(size), advice) == 0

    def states(self, source: str) -> list[PageState]:
        vma = VMA(self.start, self.start + self.size, "rw-p")
        (found,) = read_pages(os.getpid(), [vma])
        assert found.source == source
        assert [run.start for run in found.runs] == [vma.start, *(run.end for run in found.runs[:-1])]
        assert found.runs[-1].end == vma.end
        return [run.state for run in found.runs for _ in range((run.end - run.start) // PAGE)]


def test_untouched_read_and_written_pages_differ(way):
    area = Area(8 * PAGE)
    area.bytes[PAGE] = 1
    area.bytes[2 * PAGE] = 1
    assert area.bytes[5 * PAGE] == 0
    expected = [PageState.UNTOUCHED] * 8
    expected[1] = expected[2] = PageState.ANONYMOUS
    expected[5] = PageState.ZERO
    assert area.states(way) == expected


def test_a_file_page_that_was_written_is_a_private_copy(way, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 64 * PAGE)
    with open(path, "r+b") as file:
        area = Area(64 * PAGE, file.fileno())
        area.advise(0, area.size, mmap.MADV_RANDOM)  # no fault-around
        assert area.states(way) == [PageState.UNTOUCHED] * 64
        assert area.bytes[0] == ord("x")
        area.bytes[32 * PAGE] = 1
        states = area.states(way)
    assert (states[0], states[32]) == (PageState.FILE, PageState.ANONYMOUS)


def test_guard_pages_are_told_where_the_kernel_has_them(way):
    area = Area(4 * PAGE)
    installed = area.advise(PAGE, PAGE, MADV_GUARD_INSTALL)
    # Bit 58 and PAGE_IS_GUARD are of Linux 6.15; the two releases before it show a guard as a swapped page.
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    told = PageState.GUARD if (major, minor) >= (6, 15) else PageState.SWAPPED
    states = area.states(way)
    assert states == [PageState.UNTOUCHED, told if installed else PageState.UNTOUCHED, *[PageState.UNTOUCHED] * 2]


def test_resident_sizes_are_those_of_smaps_in_every_mapping(way):
    with sparse_process(16 * MIB, step=9) as child:
        rss = {usage.vma.start: usage.sizes["Rss"] for usage in read_smaps(child.pid)}
        found = list(read_pages(child.pid, read_maps(child.pid)))
    # The kernel's own pages ([vdso]) are counted in no sum of pagemap's.
    mine = {each.vma.start: each.resident for each in found if not each.vma.path.startswith("[v")}
    assert mine == {start: rss[start] for start in mine}
    assert len(mine) > 10


def test_asking_maps_nothing(way):
    with sparse_process(16 * MIB, step=0) as child:
        vma = VMA(child.address, child.address + child.size, "rw-p")
        (before,) = read_pages(child.pid, [vma])
        assert before.counts() == {PageState.UNTOUCHED: child.size // PAGE}
        LiveMemory(child.pid, ImageMemory([])).read(child.address + 3 * PAGE, 1)
        (after,) = read_pages(child.pid, [vma])
        assert [(run.start - vma.start, run.state) for run in after.runs] == [
            (0, PageState.UNTOUCHED),
            (3 * PAGE, PageState.ZERO),
            (4 * PAGE, PageState.UNTOUCHED),
        ]


def test_more_regions_than_fit_one_answer(way):
    with sparse_process(64 * MIB, step=2) as child:
        (found,) = read_pages(child.pid, [VMA(child.address, child.address + child.size, "rw-p")])
    pages_of_it = child.size // PAGE
    assert len(found.runs) == pages_of_it
    assert found.counts() == {PageState.ANONYMOUS: pages_of_it // 2, PageState.UNTOUCHED: pages_of_it // 2}


def test_vsyscall_has_no_page_tables(way):
    vma = VMA(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", path="[vsyscall]")
    assert list(read_pages(os.getpid(), [vma])) == []


def made(*runs: tuple[int, int, PageState]) -> Pages:
    """Return pages from 0 on by runs of (first page, end page, state)."""
    return Pages(
        VMA(0, runs[-1][1] * PAGE, "rw-p"),
        tuple(PageRun(first * PAGE, end * PAGE, state) for first, end, state in runs),
        "",
    )


def test_a_strip_has_a_glyph_for_each_group_and_a_capital_for_a_whole_one():
    found = made(
        (0, 4, PageState.ANONYMOUS),
        (4, 6, PageState.UNTOUCHED),
        (6, 7, PageState.ZERO),
        (7, 8, PageState.UNTOUCHED),
        (8, 11, PageState.FILE),
        (11, 12, PageState.SWAPPED),
        (12, 16, PageState.UNTOUCHED),
        (16, 17, PageState.GUARD),
    )
    assert found.strip(5) == "Azf.G"
    assert found.strip(100) == "AAAA..Z.FFFS....G"
    assert found.strip(1) == "a"


def test_resident_leaves_out_what_is_nobodys():
    found = made((0, 3, PageState.ANONYMOUS), (3, 4, PageState.ZERO), (4, 6, PageState.FILE), (6, 9, PageState.SWAPPED))
    assert found.resident == 5 * PAGE
