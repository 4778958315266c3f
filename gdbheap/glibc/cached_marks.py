"""What tells of a chunk in memory that it lies in a tcache."""

from __future__ import annotations

from gdbheap.errors import MemoryFault
from gdbheap.glibc.heap_view import HeapView
from gdbheap.process.process import Process


def cached_marks(process: Process, view: HeapView) -> frozenset[int]:
    """Return the words that cached chunks have as their second one (from glibc 2.29): libc's own key, or, where that is
    not known, what the cached chunks of now have."""
    if view.layout.tcache_key is not None:
        return frozenset({view.layout.tcache_key})
    found = set()
    for each in view.bins:
        if each.kind == "tcache" and len(each.chunks):
            try:
                found.add(process.words.read(int(each.chunks[0]) + 3 * process.pointer_size))
            except MemoryFault:
                continue
    return frozenset(found - {0})
