"""Where malloc may have put what no list names: the anonymous memory that nobody has claimed."""

from __future__ import annotations

from gdbheap.process.address_space import VMA
from gdbheap.process.process import Process


def unclaimed_ranges(process: Process, claimed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the writable private anonymous ranges that nobody has claimed."""
    ranges = []
    claimed = sorted(claimed)
    for vma in process.address_space:
        if not _may_hold_chunks(vma):
            continue
        at = vma.start
        for start, end in claimed:
            if end <= at or start >= vma.end:
                continue
            if start > at:
                ranges.append((at, start))
            at = max(at, end)
        if at < vma.end:
            ranges.append((at, vma.end))
    return ranges


def _may_hold_chunks(vma: VMA) -> bool:
    """Whether mmap(MAP_PRIVATE | MAP_ANONYMOUS) could have made this VMA; MAP_HUGETLB gives it a file's name."""
    if not (vma.readable and vma.writable) or vma.shared:
        return False
    return (not vma.path and not vma.inode) or vma.path.startswith(("[anon:", "/anon_hugepage"))
