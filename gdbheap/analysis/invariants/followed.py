"""Fields that malloc has followed since they were overwritten: what it made of them is broken, too, but nobody wrote
that.

A free merged with a chunk that a forged prev_size made up inside a block; a sort copied a nextsize link; a malloc
made the link of the block that it handed out the head of the list.
"""

from __future__ import annotations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, PREV_INUSE, State
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import dataclass, np
from gdbheap.process.columns.gather import gather_words

# So many headers of a block that a free chunk lies in are followed.
_MOST_HEADERS = 64
# So many blocks are asked where their old link leads to.
_MOST_LINKS = 256


@dataclass(frozen=True)
class Followed:
    """What was overwritten: `kind` "header" (written past the end of the chunk `owner`, which ends at `end`), "link"
    (in the chunk `owner`, while a list held it), "top" (the size of a top that malloc has closed since) or "list"
    (perhaps: of a link beside the chunk `owner`, which its list has lost). `where` the field is or was, `value` what
    was written there (None: not known)."""

    kind: str
    owner: int
    where: int
    value: int | None = None
    end: int = 0


def merged_at(heap: CheckedHeap, around: int, inside: int, end: int) -> Followed | None:
    """Return the header whose free made a free chunk inside a block: of the chunks from `around` on the first without
    PREV_INUSE whose prev_size leads back into `around`, up to `inside`, from where a free chunk reaches to `end`."""
    word, below, at = heap.layout.pointer_size, around, around
    for _ in range(_MOST_HEADERS):
        try:
            prev_size, raw = heap.words.read_many(at, 2).tolist()
        except (MemoryFault, OverflowError):
            return None
        if at > around and not raw & PREV_INUSE and around < at - prev_size <= inside:
            return Followed("header", below, at + word, raw, at)
        size = raw & ~FLAG_MASK
        if size < heap.layout.min_size or size % heap.layout.alignment or at + size >= end:
            return None
        below, at = at, at + size
    return None


def ends_a_listed_chunk(heap: CheckedHeap, header: int, prev_size: int) -> bool:
    """Whether a bin holds a chunk that ends at this header, though no walk over the headers comes to it: it lies in
    another, and PREV_INUSE is rightly clear."""
    start = header - prev_size
    place = heap.view.place_of(start)
    if place is None or place.bin.kind not in ("unsorted", "small", "large"):
        return False
    return heap.table.row_of(start) is None and _size_at(heap, start) == prev_size


def has_links_of_a_list(heap: CheckedHeap, chunk: int, arena: int) -> bool:
    """Whether both first words of a block lead to chunks or to bins of its arena, as a free chunk's do."""
    try:
        links = heap.words.read_many(chunk + heap.layout.header, 2).tolist()
    except MemoryFault:
        return False
    start = heap.view.arenas[arena].address
    bins = range(start, start + heap.layout.malloc_state.size)
    return all(link in bins or heap.table.row_of(link) is not None for link in links)


def _size_at(heap: CheckedHeap, chunk: int) -> int:
    try:
        return heap.words.read(chunk + heap.layout.pointer_size) & ~FLAG_MASK
    except (MemoryFault, OverflowError):
        return 0


def head_taken_from(heap: CheckedHeap, each: Bin, head: int) -> Followed | None:
    """Return the link that malloc made the head of a tcache or fastbin list: the first word of a block in use of the
    list's size (or of one whose header is overwritten), as a list's link; or of one before, where what that leads to
    has been handed out, too."""
    table, layout = heap.table, heap.layout
    in_use = heap.has_state(State.IN_USE, State.UNKNOWN)  # of the latter those that the next header calls free
    rows = np.flatnonzero(in_use & (heap.gap | (table.size == np.uint64(each.min_size))))
    where = table.address[rows] + np.uint64(layout.header)
    links = gather_words(heap.process.memory, layout.pointer_size, where)[:, 0]
    leads = links ^ where >> np.uint64(12) if layout.safe_linking else links
    for index in np.flatnonzero((leads == np.uint64(head)) & (links != 0))[:1].tolist():
        return _link(layout.header, int(where[index]), int(links[index]))
    mask = np.uint64(layout.alignment - 1)
    offset = np.uint64(0 if each.kind == "tcache" else layout.header)
    aligned = (leads + offset & mask == 0) & (leads >= np.uint64(1 << 16))
    if each.kind == "tcache":
        keys = gather_words(heap.process.memory, layout.pointer_size, where + np.uint64(layout.pointer_size))[:, 0]
        aligned &= keys == 0
    for index in np.flatnonzero(aligned)[:_MOST_LINKS].tolist():
        mem = int(leads[index] + offset)
        if heap.view.chunk_at(mem) is None and _leads_on(heap, mem) == head:
            return _link(layout.header, int(where[index]), int(links[index]))
    return None


def _link(header: int, where: int, value: int) -> Followed:
    return Followed("link", where - header, where, value)


def _leads_on(heap: CheckedHeap, mem: int) -> int | None:
    try:
        return demangle(mem, heap.words.read(mem), heap.layout)
    except (MemoryFault, OverflowError):
        return None


def ring_link_copied(heap: CheckedHeap, ring: list[int]) -> dict[int, tuple[int, Followed]]:
    """Return what malloc made of an overwritten bk_nextsize in a ring of sizes, fd_nextsize first: it sorted a chunk in
    before the one whose link that was, and copied the link. By chunk: the one before it, whose fd_nextsize malloc
    wrote elsewhere, and the link."""
    word = heap.layout.pointer_size
    forth, back = heap.layout.header + 2 * word, heap.layout.header + 3 * word
    links = gather_words(heap.process.memory, word, np.array(ring, np.uint64) + np.uint64(forth), 2).tolist()
    copied = {}
    for index, chunk in enumerate(ring):
        before, after = index - 1, (index + 1) % len(ring)
        leads, value = links[index]
        moved_on = leads == ring[after] and links[after][1] == chunk and links[before][0] == ring[after]
        if len(ring) > 1 and moved_on and value != ring[before] and _word(heap, value + forth) in (chunk, None):
            copied[chunk] = (ring[before], Followed("link", ring[after], ring[after] + back, value))
    return copied


def _word(heap: CheckedHeap, address: int) -> int | None:
    try:
        return heap.words.read(address)
    except (MemoryFault, OverflowError):
        return None


def bins_behind_the_tcache(heap: CheckedHeap, where: int) -> int:
    """Return mp_.tcache_bins where that is more than a tcache has, and free writes to `where` by it; else 0."""
    parameters, struct = heap.view.parameters, heap.layout.tcache_struct
    bins = parameters.get("tcache_bins") if parameters is not None else None
    if bins is None or struct is None or bins <= struct["entries"].count:
        return 0
    starts = [thread.tcache.value + struct.offset("entries") for thread in heap.layout.threads if thread.tcache]
    return bins if any(start <= where < start + bins * heap.layout.pointer_size for start in starts) else 0
