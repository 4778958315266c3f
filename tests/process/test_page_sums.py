"""The ways to ask for pages agree: PAGEMAP_SCAN, pagemap, the sums of smaps; for an unprivileged user too; swapped
and huge pages."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from gdbheap.process.address_space import VMA
from gdbheap.process.live import pages
from gdbheap.process.live.page_sums import sum_pages
from gdbheap.process.live.pages import PageState, read_pages
from gdbheap.process.live.proc_maps import parse_smaps, read_maps, read_smaps
from gdbheap.process.memory import SMALLEST_PAGE as PAGE
from support.sparse_process import sparse_process

MIB = 1 << 20
ROOT = Path(__file__).parents[2]
MADV_HUGEPAGE = 14


def counted(found):
    """Return the counts of each mapping, those that the process itself has no part in left out."""
    return {each.vma.start: +each.counts() for each in found if not each.vma.path.startswith("[v")}


def without_zero_pages(counts):
    """Return counts as smaps can tell them."""
    folded = Counter({PageState.UNTOUCHED: 0})
    for state, count in counts.items():
        folded[PageState.UNTOUCHED if state in (PageState.ZERO, PageState.GUARD) else state] += count
    return +folded


def test_all_three_ways_give_the_same_numbers(monkeypatch):
    with sparse_process(16 * MIB, step=7) as child:
        space = list(read_maps(child.pid))
        scanned = counted(read_pages(child.pid, space))
        summed = counted(sum_pages(read_smaps(child.pid), space))
        monkeypatch.setattr(pages.PageScan, "_try", lambda self, guard: False)
        read = counted(read_pages(child.pid, space))
    assert scanned == read
    assert {start: without_zero_pages(counts) for start, counts in read.items()} == summed
    assert sum(counts[PageState.ANONYMOUS] for counts in read.values()) > 500
    assert sum(counts[PageState.FILE] for counts in read.values()) > 100


UNPRIVILEGED = """
import json, mmap, os, sys
sys.path[:0] = [{root!r}, {here!r}]
from gdbheap.process.live.pages import PageState, read_pages
from gdbheap.process.live.proc_maps import read_maps
from gdbheap.process.live import pages
import ctypes
libc = ctypes.CDLL(None)
if os.getuid() == 0:  # become nobody, whose /proc files are its own again (PR_SET_DUMPABLE)
    os.setgroups([]), os.setgid(65534), os.setuid(65534), libc.prctl(4, 1, 0, 0, 0)
area = mmap.mmap(-1, 64 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
start = ctypes.addressof(ctypes.c_char.from_buffer(area))
libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(64 * 4096), 15)
area[0] = area[4096] = 1
zero = area[9 * 4096]
with open("/proc/self/pagemap", "rb") as file:
    file.seek(start // 4096 * 8)
    frame = int.from_bytes(file.read(8), "little") & (1 << 55) - 1
answers = []
for way in range(2):
    vma = [each for each in read_maps(os.getpid()) if start in each][0]
    (found,) = read_pages(os.getpid(), [type(vma)(start, start + 64 * 4096, "rw-p")])
    answers.append({{state.label: count for state, count in found.counts().items()}})
    pages.PageScan._try = lambda self, guard: False
print(json.dumps([os.getuid(), frame, *answers]))
"""


def test_a_user_without_privileges_is_told_the_same():
    script = UNPRIVILEGED.format(root=str(ROOT), here=str(Path(__file__).parent))
    text = subprocess.check_output([sys.executable, "-c", script], text=True)
    uid, frame, *answers = json.loads(text)
    assert uid != 0
    # The kernel hides where the page is in memory, and nothing else.
    assert frame == 0
    assert answers == [{"anonymous": 2, "zero": 1, "untouched": 61}] * 2


def test_huge_pages_are_told_as_smaps_counts_them():
    area = mmap.mmap(-1, 8 * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    inside = -(-start // (2 * MIB)) * 2 * MIB
    ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(8 * MIB), MADV_HUGEPAGE)
    for offset in range(inside - start, inside - start + 4 * MIB, PAGE):
        area[offset] = 1
    (vma,) = [each for each in read_maps(os.getpid()) if inside in each]
    (usage,) = [each for each in read_smaps(os.getpid()) if each.vma.start == vma.start]
    (found,) = read_pages(os.getpid(), [vma])
    (summed,) = sum_pages([usage], [vma])
    assert summed.huge == usage.sizes["AnonHugePages"]
    assert without_zero_pages(found.counts()) == +summed.counts()
    assert found.huge == (usage.sizes["AnonHugePages"] if found.source == pages.PAGEMAP_SCAN else 0)


# /proc/PID/smaps of a mapping of 8 pages of which three are in memory and two swapped out.
SWAPPED = """7f0000000000-7f0000008000 rw-p 00000000 00:00 0
Size:                 32 kB
Rss:                  12 kB
Anonymous:            12 kB
AnonHugePages:         0 kB
Swap:                  8 kB
SwapPss:               8 kB
VmFlags: rd wr mr mw me ac sd
"""


def test_swapped_pages_by_the_bits_that_the_kernel_documents(tmp_path):
    (usage,) = parse_smaps(SWAPPED)
    (summed,) = sum_pages([usage], [usage.vma])
    assert +summed.counts() == {PageState.ANONYMOUS: 3, PageState.SWAPPED: 2, PageState.UNTOUCHED: 3}
    # Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped (with type and offset below), 61 file, 56
    # exclusive.
    present, swapped, exclusive = 1 << 63, 1 << 62, 1 << 56
    entries = [
        0,
        present | exclusive,
        swapped | 5 << 5 | 1,
        present | exclusive,
        swapped | 6 << 5,
        0,
        present | exclusive,
        0,
    ]
    pagemap = tmp_path / "pagemap"
    pagemap.write_bytes(struct.pack("<8Q", *entries))
    with pagemap.open("rb") as file:
        vma = VMA(0, 8 * PAGE, "rw-p")
        runs = tuple(pages._pagemap_runs(file.fileno(), vma))
    found = pages.Pages(vma, runs, pages.PAGEMAP)
    assert +found.counts() == +summed.counts()
    assert found.strip(8) == ".ASAS.A."
    # PAGEMAP_SCAN: PAGE_IS_SWAPPED is bit 4, PAGE_IS_FILE bit 2 (a page of a tmpfs in swap is both).
    assert [pages._scanned_state(each) for each in (1 << 4, 1 << 4 | 1 << 2)] == [PageState.SWAPPED] * 2


def test_vmmap_pages_by_smaps_where_nobody_may_read_pagemap(monkeypatch):
    from gdbheap.analysis.mappings.annotate import AnnotatedPart, AnnotatedVMA
    from gdbheap.commands import vmmap
    from gdbheap.tables.mapping_rows import mapping_row

    def refuse(pid, vmas):
        raise PermissionError

    with sparse_process(4 * MIB, step=3) as child:
        process = type("Live", (), {"kind": "live", "pid": child.pid})()
        chosen = [type("Annotated", (), {"vma": vma})() for vma in read_maps(child.pid)]
        told = vmmap._pages(process, chosen)
        monkeypatch.setattr(vmmap, "read_pages", refuse)
        poorer = vmmap._pages(process, chosen)
    here = child.address
    start = next(each.vma.start for each in chosen if each.vma.start <= here < each.vma.end)
    vma = told[start].vma
    annotated = AnnotatedVMA(vma, (AnnotatedPart(vma.start, vma.end, "anonymous", "anonymous"),), None)
    rows = [mapping_row(annotated, None, found[start]) for found in (poorer, told)]
    assert rows[0].strip is None
    assert rows[0] == replace(rows[1], strip=None)
    # What there is none of is 0, not unknown.
    assert rows[0].guard == 0 and rows[0].anonymous > 0
