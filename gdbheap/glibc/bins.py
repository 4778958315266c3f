"""An arena's free lists: fastbins (to glibc 2.42), unsorted, small and large bins."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.addresses import Addresses
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout
from gdbheap.glibc.sizes import NBINS, UNSORTED_BIN, bin_ranges, fastbin_size, min_large_size
from gdbheap.glibc.walk.free_lists import FreeLists
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import dataclass
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import StructValue
from gdbheap.process.fault import Fault, called, dies_with
from gdbheap.process.memory import Words

_CORRUPTED = dies_with("corrupted double-linked list")


@dataclass(frozen=True)
class Links:
    """What follows lists link by link, in memory. No list may be longer than `most`."""

    words: Words
    layout: Layout
    most: int


def read_fastbins(links: Links, arena: StructValue, index: int, lists: FreeLists, only: int | None = None) -> list[Bin]:
    """Return an arena's non-empty fastbins (`only` that of this size); heads and links point to chunks."""
    if "fastbinsY" not in arena:
        return []
    bins = []
    for number, head in enumerate(arena.array("fastbinsY")):
        size = fastbin_size(number, links.layout)
        if head and only in (None, size):
            found = lists.follow_fastbin(head, size)
            chunks, fault = _follow_fastbin(links, head) if found is None else (found, None)
            bins.append(Bin("fastbin", number, index, None, size, size, Addresses(chunks), None, fault))
    return bins


def _follow_fastbin(links: Links, head: int) -> tuple[list[int], Fault | None]:
    """Follow a list link by link, up to what is wrong with it."""
    layout = links.layout
    chunks: list[int] = []
    seen: set[int] = set()
    chunk = head
    while chunk:
        if (chunk + layout.header) % layout.alignment:
            detail = clause("link_misaligned", link=Address(chunk), before=len(chunks))
            message = dies_with("malloc(): unaligned fastbin chunk detected")
            return chunks, Fault(chunk, message, detail, Invariant.FASTBIN_LINK)
        if chunk in seen or len(chunks) > links.most:
            return chunks, Fault(
                chunk,
                called("list_loops", list="fastbin"),
                clause("comes_again_in_list", address=Address(chunk), before=len(chunks)),
                Invariant.FASTBIN_LINK,
            )
        try:
            stored = links.words.read(chunk + layout.header)
        except MemoryFault:
            return chunks, Fault(
                chunk,
                called("fastbin_link_leaves_heap"),
                clause("nothing_mapped_in_list", address=Address(chunk), before=len(chunks)),
                Invariant.FASTBIN_LINK,
            )
        seen.add(chunk)
        chunks.append(chunk)
        chunk = demangle(chunk + layout.header, stored, layout)
    return chunks, None


def read_bins(links: Links, arena: StructValue, index: int, lists: FreeLists) -> list[Bin]:
    """Return an arena's non-empty unsorted, small and large bins."""
    layout, slots = links.layout, arena.array("bins")
    first_header = arena.address + layout.malloc_state.offset("bins") - layout.header
    ranges = bin_ranges(layout.machine, layout.alignment)
    large = min_large_size(layout.pointer_size, layout.alignment)
    bins = []
    for number in range(1, NBINS):
        header = first_header + 2 * layout.pointer_size * (number - 1)
        fd, bk = slots[2 * number - 2], slots[2 * number - 1]
        if (fd == header and bk == header) or (fd == 0 and bk == 0):
            continue
        low, high = ranges[number]
        kind = "unsorted" if number == UNSORTED_BIN else "small" if low < large else "large"
        found = lists.follow_bin(header, fd, bk)
        chunks, fault = _follow_bin(links, header, fd, bk) if found is None else (found, None)
        bins.append(Bin(kind, number, index, None, low, high, Addresses(chunks), None, fault))
    return bins


def _follow_bin(links: Links, header: int, first: int, last: int) -> tuple[list[int], Fault | None]:
    """Follow a list from both ends as far as its links hold in both directions.

    Where it is broken the chunks of the fd end come behind those of the bk end: what lies on either side of one bad
    link is still known. So is a chunk that both its neighbours lead to, whatever its own links hold.
    """
    chunks, fault, stopped = _follow_one_way(links, header, last, "bk")
    if fault is None and first == (chunks[-1] if chunks else header):
        return chunks, None
    if fault is None:
        detail = clause("ends_of_bin_differ", fd=Address(first), last=Address(chunks[-1] if chunks else header))
        return chunks, Fault(header, _CORRUPTED, detail, Invariant.DOUBLE_LINK)
    others, _, also = _follow_one_way(links, header, first, "fd")
    if stopped is not None and stopped == also:
        chunks.append(stopped)
    known = set(chunks)
    return chunks + [chunk for chunk in others[::-1] if chunk not in known], fault


def _follow_one_way(links: Links, header: int, start: int, link: str) -> tuple[list[int], Fault | None, int | None]:
    """Follow the links named "bk" or "fd" from `start` to the header, checking that the others point back.

    Return the chunks, what ended the list early, and the chunk that is there but does not point back.
    """
    chunks: list[int] = []
    seen: set[int] = set()
    layout, came_from, chunk = links.layout, header, start
    back = "fd" if link == "bk" else "bk"
    while chunk != header:
        if chunk % layout.pointer_size or (chunk + layout.header) % layout.alignment:
            detail = clause("bin_link_misaligned", link=link, target=Address(chunk), before=len(chunks))
            return chunks, Fault(came_from, _CORRUPTED, detail, Invariant.DOUBLE_LINK), None
        if chunk in seen or len(chunks) > links.most:
            detail = clause("bin_link_loops", link=link, target=Address(chunk), before=len(chunks))
            return chunks, Fault(chunk, _CORRUPTED, detail, Invariant.DOUBLE_LINK), None
        try:
            fd, bk = links.words.read_many(chunk + layout.header, 2)
        except MemoryFault:
            detail = clause("bin_link_unmapped", link=link, target=Address(chunk), before=len(chunks))
            return chunks, Fault(came_from, _CORRUPTED, detail, Invariant.DOUBLE_LINK), None
        onward, backward = (bk, fd) if link == "bk" else (fd, bk)
        if backward != came_from:
            held, at = Address(backward), Address(came_from)
            detail = clause("bin_link_not_returned", back=back, held=held, link=link, came_from=at, before=len(chunks))
            return chunks, Fault(chunk, _CORRUPTED, detail, Invariant.DOUBLE_LINK), chunk
        seen.add(chunk)
        chunks.append(chunk)
        came_from, chunk = chunk, onward
    return chunks, None, None
