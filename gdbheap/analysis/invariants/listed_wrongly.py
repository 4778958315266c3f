"""How a tcache or fastbin came to a block that it must not hold: a block freed twice, one merged before, or a free of
what is none of malloc's.

A link that free itself wrote is rightly mangled, and the block that it leads to has what free leaves there: the key
of the tcache, a size that is of this list. Where these are missing the link was overwritten.
"""

from __future__ import annotations

from gdbheap.analysis.invariants.checked_heap import CheckedHeap
from gdbheap.errors import MemoryFault
from gdbheap.glibc.chunk_table import FLAG_MASK, IS_MMAPPED, Chunk, State
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.walk.links import demangle
from gdbheap.lazy import dataclass


@dataclass(frozen=True)
class Listed:
    """`kind`: "double_free" or "invalid_free" of `mem`, "moved" (malloc itself put it there, from a bin whose links
    were overwritten), or "left" (the words at mem are what a list left there that held it). `around` is the chunk
    that mem lies in, None outside every heap."""

    kind: str
    mem: int
    around: Chunk | None


def listed_wrongly(heap: CheckedHeap, each: Bin, chunk: int, is_head: bool) -> Listed | None:
    """Return how a list came to `chunk`, to which its head (`is_head`) or another link leads and where no chunk of
    it can be; None where the link was overwritten, or nothing tells."""
    mem = chunk + heap.layout.header
    if chunk in each.chunks[: heap.believed(each)]:
        return Listed("double_free", mem, heap.view.chunk_at(mem))
    around = heap.view.chunk_at(mem)
    key = _has_key(heap, each, mem) if each.kind == "tcache" else None
    if heap.gap_at(mem) is not None and not key:
        return None
    if around is not None and around.address == chunk and not around.state.is_free:
        return None
    has_size = _has_size(heap, each, chunk)
    if each.kind != "tcache" or (key is False and has_size):
        # without the key, which may have been overwritten since, the link must be one that free wrote
        if not has_size or not _goes_on(heap, each, mem, is_head):
            return None
    elif not key and not has_size:
        return None
    elif not has_size:
        return _twice(chunk, mem, around) or Listed("moved", mem, around)
    return _twice(chunk, mem, around) or Listed("invalid_free", mem, around)


def left_by_a_list(heap: CheckedHeap, field: int, stored: int) -> bool:
    """Whether the word is the link at the end of a list, as one leaves it in a block that it held."""
    return bool(heap.layout.safe_linking) and stored == field >> 12


def _twice(chunk: int, mem: int, around: Chunk | None) -> Listed | None:
    """What lies in a free chunk, or top, with its header, was freed and merged into that."""
    if around is None or not around.state.is_free or chunk < around.address:
        return None
    return Listed("double_free", mem, around)


def _has_size(heap: CheckedHeap, each: Bin, chunk: int) -> bool:
    """Whether the size field in front is one of the list's, as it was when free looked at it."""
    try:
        raw = heap.words.read(chunk + heap.layout.pointer_size)
    except (MemoryFault, OverflowError):
        return False
    most = each.min_size if each.max_size is None else each.max_size
    return each.min_size <= raw & ~FLAG_MASK <= most and not raw & IS_MMAPPED


def _has_key(heap: CheckedHeap, each: Bin, mem: int) -> bool | None:
    """Whether the block has the key that a tcache gives it; None where this glibc has none, or it is not known."""
    keys = {heap.layout.tcache_key}
    keys |= {thread.tcache.value for thread in heap.layout.threads if thread.tcache and thread.lwp == each.thread}
    keys.discard(None)
    if not heap.texts.has("free(): double free detected in tcache 2") or not keys:
        return None
    if heap.layout.tcache_key is None and heap.layout.safe_linking and heap.texts.oldest >= (2, 34):
        return None
    try:
        return heap.words.read(mem + heap.layout.pointer_size) in keys
    except (MemoryFault, OverflowError):
        return False


def _goes_on(heap: CheckedHeap, each: Bin, mem: int, is_head: bool) -> bool:
    """Whether the block's own link leads on as one that free wrote does."""
    try:
        link = demangle(mem, heap.words.read(mem), heap.layout)
    except (MemoryFault, OverflowError):
        return False
    if link == 0:
        return is_head or bool(heap.layout.safe_linking)
    row = heap.table.row_of(link - heap.layout.header if each.kind == "tcache" else link)
    return row is not None and each.min_size == int(heap.table.size[row]) and heap.table.state[row] != State.TOP
