"""Tcaches: each thread's own lists of freed chunks."""

from __future__ import annotations

from itertools import zip_longest

from gdbheap.errors import MemoryFault
from gdbheap.glibc.addresses import Addresses
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.layout import Layout, ThreadMalloc
from gdbheap.glibc.sizes import tcache_range
from gdbheap.glibc.walk.links import demangle
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.cstruct import CStruct, StructValue
from gdbheap.process.fault import Fault, called, dies_with, unreadable
from gdbheap.process.process import Process

# More than the tunable tcache_count allows (UINT16_MAX): a longer list is a loop or a lie.
_MOST_CHUNKS = 1 << 16


def read_tcache(
    process: Process,
    layout: Layout,
    struct: CStruct,
    thread: ThreadMalloc,
    parameters: StructValue | None,
) -> tuple[list[Bin], list[Fault]]:
    """Return a thread's non-empty tcache bins and what is broken in them. The thread's tcache must be known."""
    assert thread.tcache is not None
    try:
        value = struct.read(process.memory, thread.tcache.value)
    except MemoryFault as error:
        return [], [
            Fault(thread.tcache.value, called("tcache_unreadable"), unreadable(error), Invariant.TCACHE_READABLE)
        ]
    bins = []
    counts, heads = _counts(value, parameters) or [], value.array("entries")
    for index, (head, count) in enumerate(zip_longest(heads, counts[: len(heads)])):
        if not head and not count:
            continue
        low, high = tcache_range(index, layout)
        chunks, fault = _follow(process, layout, head)
        found = Addresses(chunks)
        bins.append(Bin("tcache", index, None, thread.lwp, low, high, found, count, fault, thread.number))
    return bins, [each.fault for each in bins if each.fault]


def _counts(value: StructValue, parameters: StructValue | None) -> list[int] | None:
    """Return the cached chunks of each bin as malloc counts them: since glibc 2.42 it keeps the free slots instead."""
    if "num_slots" not in value:
        return value.array("counts")
    if parameters is None or "tcache_count" not in parameters:
        return None
    full = parameters["tcache_count"]
    return [full - free if free <= full else 0 for free in value.array("num_slots")]


def _follow(process: Process, layout: Layout, head: int) -> tuple[list[int], Fault | None]:
    """Follow one list; heads and links point to mem."""
    words = process.words
    chunks: list[int] = []
    seen: set[int] = set()
    mem = head
    while mem:
        if mem % layout.alignment:
            return chunks, Fault(
                mem,
                dies_with("malloc(): unaligned tcache chunk detected"),
                clause("link_misaligned", link=Address(mem), before=len(chunks)),
                Invariant.TCACHE_LINK,
            )
        if mem in seen or len(chunks) >= _MOST_CHUNKS:
            return chunks, Fault(
                mem - layout.header,
                called("list_loops", list="tcache"),
                clause("comes_again_in_list", address=Address(mem), before=len(chunks)),
                Invariant.TCACHE_LINK,
            )
        try:
            stored = words.read(mem)
        except MemoryFault:
            detail = clause("nothing_mapped_in_list", address=Address(mem), before=len(chunks))
            return chunks, Fault(mem, called("tcache_link_leaves_heap"), detail, Invariant.TCACHE_LINK)
        seen.add(mem)
        chunks.append(mem - layout.header)
        mem = demangle(mem, stored, layout)
    return chunks, None
