"""How many pages of each state a mapping has, by the sums of smaps alone: for where the kernel lets nobody read
pagemap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from gdbheap.lazy import dataclass
from gdbheap.process.address_space import VMA
from gdbheap.process.live.kernel_page import KERNEL_PAGE
from gdbheap.process.live.pages import PageState
from gdbheap.process.live.proc_maps import HUGETLB, MappingUsage

_HUGE = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", *HUGETLB)


@dataclass(frozen=True)
class PageSums:
    """A mapping's pages by state; where each is, nobody tells. The zero page and guards count as untouched. `huge`:
    bytes in huge pages."""

    vma: VMA
    numbers: Counter[PageState]
    huge: int

    def counts(self) -> Counter[PageState]:
        """Return the number of pages of each state."""
        return self.numbers

    def strip(self, width: int) -> str | None:
        """There is none to draw."""
        return None


def sum_pages(usages: Iterable[MappingUsage], chosen: Iterable[VMA]) -> Iterator[PageSums]:
    """Yield the sums of each chosen mapping that smaps has."""
    by_start = {usage.vma.start: usage for usage in usages}
    for vma in chosen:
        usage = by_start.get(vma.start)
        if usage is not None and vma.end <= 1 << 63:
            yield PageSums(vma, Counter(dict(_numbers(usage))), sum(usage.sizes.get(name, 0) for name in _HUGE))


def _numbers(usage: MappingUsage) -> Iterator[tuple[PageState, int]]:
    sizes = usage.sizes
    anonymous, resident, swapped = (sizes.get(name, 0) // KERNEL_PAGE for name in ("Anonymous", "Rss", "Swap"))
    huge = sum(sizes.get(name, 0) for name in HUGETLB) // KERNEL_PAGE
    resident, anonymous = resident + huge, anonymous + (0 if usage.vma.shared else huge)
    known = ((PageState.ANONYMOUS, anonymous), (PageState.FILE, resident - anonymous), (PageState.SWAPPED, swapped))
    yield from ((state, count) for state, count in known if count > 0)
    yield PageState.UNTOUCHED, usage.vma.size // KERNEL_PAGE - resident - swapped
