"""Where the resident memory of a process is: page by page, against what malloc and the address space say lies there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gdbheap.analysis.mappings.annotate import annotate
from gdbheap.errors import HeapError
from gdbheap.files import kernel_text
from gdbheap.glibc.chunk_table import FREE_STATES, MMAPPED_ARENA, Chunk, ChunkTable, State
from gdbheap.glibc.glibc_heap import GlibcHeap
from gdbheap.glibc.layout import Layout
from gdbheap.lazy import dataclass, np
from gdbheap.process.address_space import VMA
from gdbheap.process.live.pages import PageState, read_pages
from gdbheap.process.live.proc_maps import HUGETLB
from gdbheap.process.memory import SparseMemory, readable_pieces, sparse
from gdbheap.process.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What malloc_consolidate() joins to its free neighbours, or to top: the fastbins' chunks and what is in bins.
_JOINING = [int(state) for state in (State.FASTBIN, State.UNSORTED, State.SMALL, State.LARGE)]
_HEAPS = frozenset({"main_heap", "arena_heap"})
_STACKS = frozenset({"main_stack", "thread_stack", "ended_stack"})
# Parts of the address space that are not malloc's, by what annotate() calls them; the rest is "other".
_ANONYMOUS = frozenset({"anonymous", "named_anonymous", "brk_heap", "huge_pages"})
_DATA = ("_data", "_bss", "_relro")
_SHARED = frozenset({"shm", "memfd", "shared_anonymous"})

# M_TRIM_THRESHOLD's and M_TOP_PAD's, as malloc(3) has them.
DEFAULT_TRIM_THRESHOLD = DEFAULT_TOP_PAD = 128 << 10

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
    """A kind of memory: `size` bytes of it, of which `resident` are in memory (None: not known); `count` chunks
    (None: not chunks)."""

    name: str
    size: int
    resident: int | None
    count: int | None = None


@dataclass(frozen=True)
class Top:
    """An arena's top and what keeps it from going down: `pin` is the chunk right below it (address, size, state), None
    where there is none.

    `free_below` are the bytes of the free chunks right below the pin, which would join top if it were freed;
    `resident` is top's own part, `free` and `free_resident` all free chunks of the arena. `trimmable` is what
    malloc_trim(0) would give back of them and of top, `by_threshold` what the next larger free() would of top alone
    if trim_threshold were the default, both in bytes of resident pages.
    """

    arena: int
    address: int
    size: int
    pin: tuple[int, int, State] | None
    free_below: int
    resident: int | None
    free: int
    free_resident: int | None
    trimmable: int | None
    by_threshold: int | None = None


@dataclass(frozen=True)
class Residency:
    """`kernel` is the resident size as the kernel counts it (None: not known), `hugetlb` what of it lies in hugetlbfs:
    VmRSS leaves that out."""

    parts: tuple[ResidentPart, ...]
    tops: tuple[Top, ...]
    kernel: int | None
    hugetlb: int = 0

    @property
    def kept(self) -> int:
        """The resident bytes of the tops of all arenas but the main one: malloc_trim() leaves them, free() gives
        them back from trim_threshold on (heap_trim() of glibc's arena.c)."""
        return sum(top.resident or 0 for top in self.tops if top.arena)

    def resident(self, *names: str) -> int:
        """Return the resident bytes of these parts together."""
        return sum(each.resident or 0 for each in self.parts if each.name in names)


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


def read_residency(process: Process, view: GlibcHeap | None) -> Residency:
    """Return where the resident memory is; without a `view`, malloc's memory is what its mappings are. Sizes alone
    where the pages of the process cannot be asked for (a core, another machine)."""
    pages = resident_pages(process)
    parts = [*_chunk_parts(view, pages), *_other_parts(process, view, pages)]
    tops = tuple(_tops(process, view, pages)) if view is not None else ()
    return Residency(tuple(parts), tops, *_kernel_count(process))


def stored_in_core(process: Process, view: GlibcHeap | None) -> Residency | None:
    """Return the same of a core, with the pages that it has with anything but zeros in them for those that were
    resident: what was written, in memory or swapped out when the core was made. None where this is no core."""
    pages = pages_in_core(process)
    if pages is None:
        return None
    parts = [*_chunk_parts(view, pages), *_other_parts(process, view, pages)]
    return Residency(tuple(parts), tuple(_tops(process, view, pages)) if view is not None else (), None)


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


def resident_pages(process: Process) -> ResidentPages | None:
    """Return the pages that are resident; None where nobody tells."""
    if process.pid is None:
        return None
    try:
        runs = [run for pages in read_pages(process.pid, process.address_space) for run in pages.runs]
    except OSError:
        return None
    held = (PageState.ANONYMOUS, PageState.FILE)
    return ResidentPages((run.start, run.end) for run in runs if run.state in held)


def _kernel_count(process: Process) -> tuple[int | None, int]:
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


def _chunk_parts(view: GlibcHeap | None, pages: ResidentPages | None) -> Iterator[ResidentPart]:
    """Yield malloc's parts: a part for each state that occurs, mmapped chunks apart, and what is around the chunks."""
    if view is None:
        return
    table = view.table
    resident = None if pages is None else pages.within(table.address, table.address + table.size)
    mapped = table.arena == MMAPPED_ARENA

    def part(name: str, mask: NDArray[np.bool_]) -> ResidentPart:
        held = None if resident is None else int(resident[mask].sum())
        return ResidentPart(name, int(table.size[mask].sum()), held, int(mask.sum()))

    own = np.isin(table.state, (State.MALLOC_OWNED, State.FENCEPOST, State.UNKNOWN))
    yield part(IN_USE, (table.state == State.IN_USE) & ~mapped)
    yield part(MMAPPED, mapped)
    for state in sorted(FREE_STATES):
        yield part(state.label, table.state == state)
    yield part(TOP, table.state == State.TOP)
    yield part(OWN, own)


def _other_parts(process: Process, view: GlibcHeap | None, pages: ResidentPages | None) -> Iterator[ResidentPart]:
    """Yield what is no chunk: by what the address space says of it."""
    sizes: dict[str, int] = {}
    held: dict[str, int] = {}

    def add(name: str, size: int, resident: int) -> None:
        sizes[name] = sizes.get(name, 0) + size
        held[name] = held.get(name, 0) + resident

    parts = [(vma, part) for vma in annotate(process, view) for part in vma.parts]
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
    if view is not None:
        # Heaps' headers and arenas, and the ends of pages that chunks do not fill.
        table = view.table
        inside = 0 if pages is None else int(pages.within(table.address, table.address + table.size).sum())
        around = ResidentPart(AROUND, sizes.pop(AROUND, 0) - int(table.size.sum()), held.pop(AROUND, 0) - inside)
        yield around if pages is not None else ResidentPart(around.name, around.size, None)
    for name in (ANONYMOUS, STACKS, DATA, FILES, SHARED, OTHER):
        if name in sizes:
            yield ResidentPart(name, sizes[name], None if pages is None else held[name])


def _tops(process: Process, view: GlibcHeap, pages: ResidentPages | None) -> Iterator[Top]:
    table, layout, pad = view.table, view.layout, _top_pad(process, view.layout)
    free = np.isin(table.state, [int(state) for state in FREE_STATES])
    joining = np.isin(table.state, _JOINING)
    for row in np.flatnonzero(table.state == State.TOP).tolist():
        index = int(table.arena[row])
        here = table.arena == index
        address, size = int(table.address[row]), int(table.size[row])
        first = int(np.flatnonzero(here)[0])
        pin, below = _pin(table, joining, free, first, row)
        chunks = table.take(here & free)
        ends = chunks.address + chunks.size
        held = None if pages is None else int(pages.within(chunks.address, ends).sum())
        own = None if pages is None else int(pages.within(address, address + size))
        trimmable = (
            None if pages is None else _trimmable(table.take(here & joining), index == 0, table[row], layout, pages)
        )
        by_threshold = None if pages is None else _by_threshold(table[row], layout, pad, pages)
        yield Top(index, address, size, pin, below, own, int(chunks.size.sum()), held, trimmable, by_threshold)


def _top_pad(process: Process, layout: Layout) -> int:
    """Return mp_.top_pad, the default where it is not known."""
    if layout.mp is None or layout.malloc_par is None:
        return DEFAULT_TOP_PAD
    try:
        pad = layout.malloc_par.read(process.memory, layout.mp.value).get("top_pad")
    except HeapError:
        pad = None
    return DEFAULT_TOP_PAD if pad is None else pad


def _by_threshold(top: Chunk, layout: Layout, pad: int, pages: ResidentPages) -> int:
    """Return the resident bytes of top that systrim() (of a thread's arena heap_trim()) gives back: whole pages from
    its end, MINSIZE, a byte and top_pad kept, once top is as large as the threshold."""
    if top.size < DEFAULT_TRIM_THRESHOLD:
        return 0
    extra = max(top.size - layout.min_size - 1 - pad, 0) & -layout.page_size
    return int(pages.within(top.end - extra, top.end))


def _pin(
    table: ChunkTable, joining: NDArray[np.bool_], free: NDArray[np.bool_], first: int, top: int
) -> tuple[tuple[int, int, State] | None, int]:
    """Return the chunk right below top, once malloc_consolidate() has joined to top what it does, and the bytes of
    the free ones right below that."""
    at = top - 1
    while at >= first and joining[at] and _touches(table, at):
        at -= 1
    if at < first or not _touches(table, at):
        return None, 0
    chunk = table[at]
    taken = np.flatnonzero(~free[first:at])
    start = first + int(taken[-1]) + 1 if len(taken) else first
    return (chunk.address, chunk.size, chunk.state), int(table.size[start:at].sum())


def _touches(table: ChunkTable, row: int) -> bool:
    """Whether a chunk ends where the next one begins."""
    return int(table.address[row]) + int(table.size[row]) == int(table.address[row + 1])


def _trimmable(chunks: ChunkTable, is_main: bool, top: Chunk, layout: Layout, pages: ResidentPages) -> int:
    """Return the resident bytes that malloc_trim(0) gives back of an arena's free `chunks` (what lies in tcaches stays)
    and top.

    Mirrors mtrim(): after malloc_consolidate() has joined the fastbins' chunks to their neighbours, the whole pages
    of each free chunk of a page and more, from behind the six words of struct malloc_chunk on. And systrim(0), for
    the main arena: whole pages from the end of top, MINSIZE and a byte kept.
    """
    start, end = _joined(chunks.address, chunks.address + chunks.size)
    at_top = end == np.uint64(top.address)
    large = (end - start > np.uint64(layout.page_size - 1 + 6 * layout.pointer_size)) & ~at_top
    mask = np.uint64(~(layout.page_size - 1) & (1 << 64) - 1)
    low = (start[large] + np.uint64(6 * layout.pointer_size + layout.page_size - 1)) & mask
    high = end[large] & mask
    trimmed = int(pages.within(low, np.maximum(low, high)).sum())
    if is_main:
        size = top.size + int((end - start)[at_top].sum())
        extra = max(size - layout.min_size - 1, 0) & -layout.page_size
        trimmed += int(pages.within(top.end - extra, top.end))
    return trimmed


def _joined(start: NDArray[np.uint64], end: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the ranges, which are in order, with those that touch made one."""
    if not len(start):
        return start, end
    first = np.flatnonzero(np.concatenate(([True], start[1:] != end[:-1])))
    return start[first], end[np.append(first[1:] - 1, len(end) - 1)]
