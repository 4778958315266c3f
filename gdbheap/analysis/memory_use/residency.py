"""Where the resident memory of a process is: page by page, against what malloc and the address space say lies there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gdbheap.allocators.heap import Heap, HeapTop
from gdbheap.analysis.mappings.annotate import AnnotatedVMA
from gdbheap.lazy import dataclass, np
from gdbheap.process.live.resident_pages import ResidentPages, kernel_count, pages_in_core, resident_pages
from gdbheap.process.process import Process

if TYPE_CHECKING:
    pass

_HEAPS = frozenset({"main_heap", "arena_heap"})
_STACKS = frozenset({"main_stack", "thread_stack", "ended_stack"})
# Parts of the address space that are not malloc's, by what annotate() calls them; the rest is "other".
_ANONYMOUS = frozenset({"anonymous", "named_anonymous", "brk_heap", "huge_pages"})
_DATA = ("_data", "_bss", "_relro")
_SHARED = frozenset({"shm", "memfd", "shared_anonymous"})

# Published names of the parts.
IN_USE, TOP, OWN, MMAPPED = "in_use", "top", "malloc_own", "mmapped_in_use"
AROUND, STACKS, DATA, FILES, ANONYMOUS, SHARED, OTHER = (
    "around",
    "stacks",
    "module_data",
    "files",
    "anonymous",
    "shared",
    "other",
)


@dataclass(frozen=True)
class ResidentPart:
    """A kind of memory: `size` bytes of it, of which `resident` are in memory (None: not known); `count` pieces of the
    allocator's (None: none of those). `of_heap`: it is the allocator's, in use, free (`is_free`) or its own."""

    name: str
    size: int
    resident: int | None
    count: int | None = None
    of_heap: bool = False
    is_free: bool = False


@dataclass(frozen=True)
class Residency:
    """`kernel` is the resident size as the kernel counts it (None: not known), `hugetlb` what of it lies in hugetlbfs:
    VmRSS leaves that out."""

    parts: tuple[ResidentPart, ...]
    tops: tuple[HeapTop, ...]
    kernel: int | None
    hugetlb: int = 0

    @property
    def kept(self) -> int:
        """The resident bytes of the tops of all arenas but the main one: malloc_trim() leaves them, free() gives
        them back from trim_threshold on (heap_trim() of glibc's arena.c)."""
        return sum(top.resident or 0 for top in self.tops if top.arena)

    @property
    def of_heap(self) -> int:
        """The resident bytes of all that is the allocator's."""
        return sum(each.resident or 0 for each in self.parts if each.of_heap)

    @property
    def free(self) -> int:
        """The resident bytes of what is free, top's among them."""
        return sum(each.resident or 0 for each in self.parts if each.is_free) + self.resident(TOP)

    def resident(self, *names: str) -> int:
        """Return the resident bytes of these parts together."""
        return sum(each.resident or 0 for each in self.parts if each.name in names)


def read_residency(process: Process, heap: Heap | None, mappings: Sequence[AnnotatedVMA]) -> Residency:
    """Return where the resident memory is; `mappings` is what annotate() says of the same. Without a `heap`, malloc's
    memory is what its mappings are. Sizes alone where the pages of the process cannot be asked for (a core, another
    machine)."""
    pages = resident_pages(process)
    parts = _parts(heap, mappings, pages)
    tops = tuple(heap.tops(process, pages)) if heap is not None else ()
    return Residency(parts, tops, *kernel_count(process))


def stored_in_core(process: Process, heap: Heap | None, mappings: Sequence[AnnotatedVMA]) -> Residency | None:
    """Return the same of a core, with the pages that it has with anything but zeros in them for those that were
    resident: what was written, in memory or swapped out when the core was made. None where this is no core."""
    pages = pages_in_core(process)
    if pages is None:
        return None
    parts = _parts(heap, mappings, pages)
    return Residency(parts, tuple(heap.tops(process, pages)) if heap is not None else (), None)


def _parts(
    heap: Heap | None, mappings: Sequence[AnnotatedVMA], pages: ResidentPages | None
) -> tuple[ResidentPart, ...]:
    of_heap = list(_heap_parts(heap, pages))
    return (*of_heap, *_other_parts(None if heap is None else of_heap, mappings, pages))


def _heap_parts(heap: Heap | None, pages: ResidentPages | None) -> Iterator[ResidentPart]:
    """Yield the parts of the allocator's memory."""
    for part in () if heap is None else heap.parts():
        held = None if pages is None else int(pages.within(part.start, part.start + part.size).sum())
        yield ResidentPart(part.name, int(part.size.sum()), held, len(part.start), True, part.is_free)


def _other_parts(
    of_heap: Sequence[ResidentPart] | None, mappings: Sequence[AnnotatedVMA], pages: ResidentPages | None
) -> Iterator[ResidentPart]:
    """Yield what is no chunk, by what the address space says of it; without a heap (None) there is nothing around
    one."""
    sizes: dict[str, int] = {}
    held: dict[str, int] = {}

    def add(name: str, size: int, resident: int) -> None:
        sizes[name] = sizes.get(name, 0) + size
        held[name] = held.get(name, 0) + resident

    parts = [(vma, part) for vma in mappings for part in vma.parts]
    starts = np.array([part.start for _, part in parts], np.uint64)
    ends = np.array([part.end for _, part in parts], np.uint64)
    resident = [0] * len(parts) if pages is None else pages.within(starts, ends).tolist()
    for (vma, part), every in zip(parts, resident):
        if part.kind in _HEAPS or part.kind == "mmapped_chunk":
            add(AROUND, part.size, every)
        elif part.kind in _STACKS:
            add(STACKS, part.size, every)
        elif part.kind in _ANONYMOUS:
            add(ANONYMOUS, part.size, every)
        elif part.kind in _SHARED:
            add(SHARED, part.size, every)
        elif part.kind.endswith(_DATA):
            add(DATA, part.size, every)
        elif vma.vma.is_file:
            add(FILES, part.size, every)
        elif every or vma.vma.writable:
            add(OTHER, part.size, every)
    if of_heap is not None:
        # Heaps' headers and arenas, and the ends of pages that chunks do not fill.
        size = sizes.pop(AROUND, 0) - sum(part.size for part in of_heap)
        around = held.pop(AROUND, 0) - sum(part.resident or 0 for part in of_heap)
        yield ResidentPart(AROUND, size, None if pages is None else around, of_heap=True)
    for name in (ANONYMOUS, STACKS, DATA, FILES, SHARED, OTHER):
        if name in sizes:
            yield ResidentPart(name, sizes[name], None if pages is None else held[name])
