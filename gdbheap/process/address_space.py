"""The address space: VMAs in order, and what lies around an address."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from gdbheap.lazy import dataclass

# The source of mappings that nobody told: they were found (found_space.py).
FOUND = "found"
# The permissions of a mapping of which none is told.
UNTOLD = "????"
_SHARED = {"s": True, "p": False}


@dataclass(frozen=True)
class VMA:
    """One mapping, [start, end).

    `permissions` is as in /proc/PID/maps ("rw-p"), with "?" in each place that the source does not tell: a core does
    not tell private from shared. What is "?" counts as not permitted.
    `path` is the file, a kernel name such as "[heap]", or "" (anonymous).
    """

    start: int
    end: int
    permissions: str
    offset: int = 0
    device: str = ""
    inode: int = 0
    path: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def readable(self) -> bool:
        return self.permissions[0] == "r"

    @property
    def writable(self) -> bool:
        return self.permissions[1] == "w"

    @property
    def executable(self) -> bool:
        return self.permissions[2] == "x"

    # (A cached_property of Python before 3.12 takes a lock, which costs more than these.)
    @property
    def shared(self) -> bool | None:
        """Whether writes are seen by others; None where the source (a core) does not say."""
        return _SHARED.get(self.permissions[3])

    @property
    def is_file(self) -> bool:
        """Whether a file stands behind the pages."""
        return self.inode != 0 or self.path[:1] == "/"

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.start <= address < self.end


class AddressSpace:
    """VMAs sorted by address. `source` says where they are from: "maps", "core", "remote" or FOUND.

    Without any VMA nothing was told: every process has some. Those that were FOUND may not be all. Either way the
    mappings are not `known`: where none is here, there may be one.
    `inferred` holds the starts of those VMAs whose bracketed name ("[heap]") was worked out here and not told by the
    source.
    """

    def __init__(self, vmas: Iterable[VMA], source: str = "maps", inferred: Iterable[int] = ()) -> None:
        self.vmas = tuple(sorted(vmas, key=attrgetter("start")))
        self.source = source
        self.inferred = frozenset(inferred)
        self._starts = [vma.start for vma in self.vmas]

    @property
    def known(self) -> bool:
        """Whether the source told the mappings, all of them."""
        return bool(self.vmas) and self.source != FOUND

    def __iter__(self) -> Iterator[VMA]:
        return iter(self.vmas)

    def __len__(self) -> int:
        return len(self.vmas)

    @property
    def end(self) -> int:
        """Where the highest VMA of a program ends, 0 where there is none."""
        return max((vma.end for vma in self.vmas[-2:] if vma.end < 1 << 63), default=0)

    def find(self, address: int) -> VMA | None:
        """Return the VMA that holds `address`, or None."""
        index = bisect_right(self._starts, address) - 1
        return self.vmas[index] if index >= 0 and address < self.vmas[index].end else None

    def overlapping(self, start: int, end: int) -> Iterator[VMA]:
        """Yield the VMAs that hold any of [start, end), in order."""
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self.vmas) and self.vmas[index].start < end:
            if self.vmas[index].end > start:
                yield self.vmas[index]
            index += 1

    def around(self, address: int) -> tuple[VMA | None, VMA | None]:
        """Return the last VMA that ends at or below `address` and the first that starts above it (None: none)."""
        index = bisect_right(self._starts, address)
        below = index - 1
        if below >= 0 and address < self.vmas[below].end:
            below -= 1
        return (self.vmas[below] if below >= 0 else None, self.vmas[index] if index < len(self.vmas) else None)

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield what is mapped of [start, end), VMA by VMA: the way to bound a range that the target itself tells."""
        first = max(bisect_right(self._starts, start) - 1, 0)
        for vma in self.vmas[first:]:
            if vma.start >= end:
                return
            if max(vma.start, start) < min(vma.end, end):
                yield max(vma.start, start), min(vma.end, end)


def without(start: int, end: int, taken: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of [start, end) that none of the taken ranges, which are in order and apart, covers."""
    index = max(bisect_right(taken, (start, 0)) - 1, 0)
    while index < len(taken) and taken[index][0] < end:
        low, high = taken[index]
        if low > start:
            yield start, low
        start = max(start, high)
        index += 1
    if start < end:
        yield start, end


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges in order, those that touch made one, none of them empty."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif start < end:
            found.append((start, end))
    return found
