"""Which pages of a process are in memory, and how many the kernel counts; of a core, which hold anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gdbheap.files import kernel_text
from gdbheap.lazy import np
from gdbheap.process.address_space import VMA
from gdbheap.process.live.pages import resident_spans
from gdbheap.process.live.proc_maps import HUGETLB
from gdbheap.process.memory import SparseMemory, readable_pieces, sparse
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ResidentPages:
    """Which pages are in memory, so that the resident bytes of a million ranges are one search."""

    def __init__(self, runs: Iterable[tuple[int, int]]) -> None:
        spans = sorted(runs)
        self._start = np.array([start for start, _ in spans], np.uint64)
        self._end = np.array([end for _, end in spans], np.uint64)
        self._before = np.concatenate((np.zeros(1, np.uint64), np.cumsum(self._end - self._start, dtype=np.uint64)))

    def within(self, start: Any, end: Any) -> NDArray[np.uint64]:
        """Return the resident bytes of each [start, end) (arrays, or single addresses)."""
        return self._below(np.asarray(end, np.uint64)) - self._below(np.asarray(start, np.uint64))

    def _below(self, address: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the resident bytes below each address."""
        if not len(self._start):
            return np.zeros(address.shape, np.uint64)
        index = np.searchsorted(self._start, address, side="right")
        last = np.maximum(index - 1, 0)
        inside = np.minimum(address, self._end[last]) - np.minimum(self._start[last], address)
        below: NDArray[np.uint64] = np.where(index > 0, self._before[last] + inside, np.uint64(0))
        return below


def resident_pages(process: Process) -> ResidentPages | None:
    """Return the pages that are resident; None where nobody tells."""
    if process.pid is None:
        return None
    try:
        return ResidentPages(resident_spans(process.pid, process.address_space))
    except OSError:
        return None


def pages_in_core(process: Process) -> ResidentPages | None:
    """Return the pages of a core that hold anything but zeros; None where this is no core."""
    memory = sparse(process.memory)
    if process.kind != "core" or memory is None:
        return None
    not_held = {start for start, _, _ in process.stand_ins}
    vmas = [vma for vma in process.address_space if vma.writable and vma.start not in not_held]
    return ResidentPages(run for vma in vmas for run in _written(memory, vma, process.page_size))


def _written(memory: SparseMemory, vma: VMA, size: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of the mapping's pages (of `size` bytes) that hold anything but zeros."""
    for start, end in memory.data_spans(vma.start, vma.end):
        for address, data in readable_pieces(memory, start, end):
            pages = np.frombuffer(data, np.uint8, len(data) // size * size).reshape(-1, size)
            edges = (np.flatnonzero(np.diff(np.concatenate(([False], pages.any(axis=1), [False])))) * size).tolist()
            yield from ((address + low, address + high) for low, high in zip(edges[::2], edges[1::2]))


def kernel_count(process: Process) -> tuple[int | None, int]:
    """Return the sum over all mappings of Rss and of what lies in hugetlbfs, which Rss leaves out, and the latter
    alone: counted from the page tables, where VmRSS of /proc/PID/status may lag behind."""
    if process.pid is None:
        return None, 0
    try:
        lines = kernel_text(f"/proc/{process.pid}/smaps_rollup").split("\n")
        sizes = {name: int(rest.split()[0]) for name, _, rest in (each.partition(":") for each in lines[1:]) if rest}
        hugetlb = sum(sizes.get(name, 0) for name in HUGETLB) * 1024
        return sizes["Rss"] * 1024 + hugetlb, hugetlb
    except (OSError, IndexError, KeyError, ValueError):
        return None, 0
