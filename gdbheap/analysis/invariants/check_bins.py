"""Checks of the arenas' free lists: sizes, order, nextsize rings, binmap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly, number
from gdbheap.analysis.invariants.followed import ring_link_copied
from gdbheap.counted import counted
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.glibc.sizes import min_large_size
from gdbheap.lazy import np
from gdbheap.process.address import Address
from gdbheap.process.clause import clause
from gdbheap.process.fact import Fact
from gdbheap.process.fault import Message, called

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZES = {"tcache": Invariant.TCACHE_SIZE, "fastbin": Invariant.FASTBIN_SIZE}


def check_bins(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with fastbins, unsorted, small and large bins, their links aside (whoever reads the lists
    checks those)."""
    for each in heap.view.bins:
        if each.kind == "tcache":
            continue
        yield from _check_sizes(heap, each)
        if each.kind == "large":
            yield from _check_order(heap, each)
            yield from _check_ring(heap, each)
        if each.kind == "unsorted":
            yield from _check_no_ring(heap, each)
        if each.kind in ("small", "large"):
            yield from _check_binmap(heap, each)


def wrong_size_in_list(heap: CheckedHeap, each: Bin, row: int, message: Message, call: Fact) -> Finding:
    """Return the Finding of a listed chunk whose size is none of its list's."""
    address, held = int(heap.table.address[row]), heap.size_word(row)
    expected = clause("one_size", size=each.min_size)
    if each.max_size != each.min_size:
        expected = clause("a_size_between", least=each.min_size, most=each.max_size or 0)
    return Violation(
        _SIZES.get(each.kind, Invariant.BIN_SIZE),
        message,
        Must(expected, example=each.min_size),
        call,
        clause("chunk_either_size_field_link_leads", list=list_name(each)),
    ).at(address, WrongField("size", address + heap.layout.pointer_size, held), each.arena, each.thread)


def _check_sizes(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    listed = each.chunks[: heap.believed(each)] if each.kind == "fastbin" else each.chunks
    sizes = heap.view.sizes_of(listed)
    wrong = (sizes != 0) & (sizes < np.uint64(each.min_size))
    if each.max_size is not None:
        wrong |= sizes > np.uint64(each.max_size)
    for index in np.flatnonzero(wrong)[:MOST_FINDINGS].tolist():
        row = heap.table.row_of(each.chunks[index])
        if row is not None and not heap.gap[row]:
            message, call = _size_words(heap, each, index)
            yield wrong_size_in_list(heap, each, row, message, call)


def _size_words(heap: CheckedHeap, each: Bin, index: int) -> tuple[Message, Fact]:
    """Return the text that malloc dies with of a chunk of the wrong size, and in which call."""
    if each.kind == "fastbin":
        message = heap.texts.choose("malloc(): memory corruption (fast)", otherwise=called("wrong_size_in_fastbin"))
        size = each.min_size - heap.layout.pointer_size
        return message, clause("malloc_takes_first" if index == 0 else "malloc_takes_it", size=size)
    message = heap.texts.choose("corrupted size vs. prev_size", otherwise=called("wrong_size_in_bin", list=each.kind))
    return message, clause("free_neighbour_malloc_takes_from_bin")


def _check_order(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """From the bk end, sizes ascend."""
    sizes = heap.view.sizes_of(each.chunks)
    for index in np.flatnonzero((sizes[1:] < sizes[:-1]) & (sizes[1:] != 0))[:MOST_FINDINGS].tolist():
        address, before = each.chunks[index + 1], each.chunks[index]
        yield Violation(
            Invariant.BIN_ORDER,
            called("large_bin_out_of_order"),
            Must(clause("least_size_chunk_before_from_bk", value=int(sizes[index]), before=before)),
            clause("malloc_large_block_may_get_one"),
            suspects=(before,),
        ).at(address, WrongField("size", address + heap.layout.pointer_size, int(sizes[index + 1])), each.arena)


def _check_ring(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """The first chunk of each size (from the fd end) is in a ring: fd_nextsize leads to the next smaller size's,
    bk_nextsize back. In the others both are 0."""
    if each.fault is not None:
        return
    chunks = np.array(each.chunks[::-1], np.uint64)
    sizes = heap.view.sizes_of(each.chunks[::-1])
    if not len(chunks) or not sizes.all():
        return
    leader = np.ones(len(chunks), bool)
    leader[1:] = sizes[1:] != sizes[:-1]
    expected = np.zeros((len(chunks), 2), np.uint64)
    ring = chunks[leader]
    expected[leader, 0] = np.roll(ring, -1)
    expected[leader, 1] = np.roll(ring, 1)
    found = list(_compare_ring(heap, each, chunks, expected))
    yield from _as_copied(heap, found, ring.tolist()) if found else ()


def _as_copied(heap: CheckedHeap, found: list[Finding], ring: list[int]) -> Iterator[Finding]:
    """Yield the Findings of a ring; what malloc itself made of an overwritten link as that."""
    copied = ring_link_copied(heap, ring)
    passed_over = {before for before, _ in copied.values()}
    for each in found:
        if each.field == "fd_nextsize" and each.address in passed_over:
            continue  # malloc wrote it where the overwritten link led to
        if each.field == "bk_nextsize" and each.address in copied:
            link = copied[each.address][1]
            why = clause(
                "malloc_itself_followed_overwritten_link", owner=Address(link.owner), where=Address(link.where)
            )
            each = replace(each, why=why, followed=link)
        yield each


def _check_no_ring(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """Chunks of large size in the unsorted bin have both nextsize links 0: unlink_chunk goes by fd_nextsize."""
    sizes = heap.view.sizes_of(each.chunks)
    large = sizes >= np.uint64(min_large_size(heap.layout.pointer_size, heap.layout.alignment))
    chunks = np.array(each.chunks, np.uint64)[large]
    yield from _compare_ring(heap, each, chunks, np.zeros((len(chunks), 2), np.uint64))


def _compare_ring(
    heap: CheckedHeap, each: Bin, chunks: NDArray[np.uint64], expected: NDArray[np.uint64]
) -> Iterator[Finding]:
    pointer_size = heap.layout.pointer_size
    order = np.argsort(chunks)
    offset = heap.layout.header + 2 * pointer_size
    held = heap.ring_links(chunks[order])
    message = heap.texts.choose("corrupted double-linked list (not small)", otherwise=None)
    for index, side in np.argwhere(held != expected[order])[:MOST_FINDINGS].tolist():
        address = int(chunks[order][index])
        value = int(expected[order][index, side])
        yield Violation(
            Invariant.SIZE_RING,
            message,
            exactly(value) if value else number(0, clause("chunk_not_ring_sizes")),
            clause("malloc_free_takes_chunk_neighbour_ring"),
        ).at(
            address,
            WrongField(
                ("fd_nextsize", "bk_nextsize")[side], address + offset + side * pointer_size, int(held[index, side])
            ),
            each.arena,
        )


def _check_binmap(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    """A bin that holds chunks has its bit set; set bits of empty bins are cleared later."""
    arena = heap.view.arenas[each.arena or 0]
    word = arena.value.array("binmap")[each.index // 32]
    if each.chunks and not word >> each.index % 32 & 1:
        where = arena.address + heap.layout.malloc_state.offset("binmap") + each.index // 32 * 4
        yield Violation(
            Invariant.BINMAP,
            called("binmap_bit_missing"),
            exactly(word | 1 << each.index % 32),
            clause("none_malloc_does_not_find_these"),
            clause("list_holds", list=list_name(each), count=counted(len(each.chunks), "chunk")),
        ).at(arena.address, WrongField(f"binmap[{each.index // 32}]", where, word), arena.index)
