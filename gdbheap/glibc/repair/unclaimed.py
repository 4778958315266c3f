"""Where malloc may have put what no list names: the anonymous memory that nobody has claimed."""

from __future__ import annotations

import sys
from bisect import bisect_left

from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA, joined, without
from gdbheap.process.process import Process


@dataclass(frozen=True)
class UnclaimedRange:
    """A writable range, [start, end), in one mapping; what begins in it may reach on through the mappings behind it, up
    to `limit`.

    The kernel makes several mappings of one where the program asks something special of a part: madvise() for huge
    pages, as numpy does for each large array, or to leave it out of cores; mprotect().
    """

    start: int
    end: int
    limit: int


def unclaimed_stretches(process: Process, claimed: list[tuple[int, int]]) -> list[UnclaimedRange]:
    """Return the unclaimed ranges, each with how far a private anonymous mapping that begins there may have reached."""
    # (Most mappings have none right behind them, and reach no further than they are.)
    limits: dict[int, int] = {}
    limit, above = 0, -1
    for vma in reversed(process.address_space.vmas):
        end = vma.end
        if end == above:
            limits[end] = limit
        else:
            limit = end
        above = vma.start if _is_anonymous(vma) else -1
    starts = sorted(start for start, _ in claimed)
    stretches = []
    for start, end in unclaimed_ranges(process, claimed):
        following = bisect_left(starts, end)
        nobodys = starts[following] if following < len(starts) else sys.maxsize
        stretches.append(UnclaimedRange(start, end, min(limits.get(end, end), nobodys)))
    return stretches


def unclaimed_ranges(process: Process, claimed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the writable private anonymous ranges that nobody has claimed."""
    taken = joined(claimed)
    return [
        each for vma in process.address_space if _may_hold_chunks(vma) for each in without(vma.start, vma.end, taken)
    ]


def _may_hold_chunks(vma: VMA) -> bool:
    return vma.readable and vma.writable and _is_anonymous(vma)


def _is_anonymous(vma: VMA) -> bool:
    """Whether mmap(MAP_PRIVATE | MAP_ANONYMOUS) could have made this VMA; MAP_HUGETLB gives it a file's name."""
    if vma.permissions[3] == "s":
        return False
    return not vma.inode if not vma.path else vma.path.startswith(("[anon:", "/anon_hugepage"))
