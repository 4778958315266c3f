"""Checks of the tcaches: counts against lists, sizes, keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdbheap.analysis.corruption.check_bins import wrong_size_in_list
from gdbheap.analysis.corruption.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.corruption.finding import Finding, finding
from gdbheap.lazy import np
from gdbheap.malloc.heap_view import Bin
from gdbheap.malloc.read_heap import describe
from gdbheap.process.gather import gather_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_tcaches(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with the tcaches, their links aside (whoever reads the lists checks those)."""
    bins = [each for each in heap.view.bins if each.kind == "tcache"]
    for each in bins:
        yield from _check_count(heap, each)
        yield from _check_sizes(heap, each)
    yield from _check_keys(heap, bins)


def tcache_address(heap: CheckedHeap, thread: int | None) -> int:
    """Return where the tcache of the thread with this lwp is, 0 where that is not known."""
    found = next((each.tcache for each in heap.layout.threads if each.lwp == thread), None)
    return 0 if found is None else found.value


def _check_count(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    struct, parameters = heap.layout.tcache_struct, heap.view.parameters
    if struct is None or each.count is None or each.fault is not None:
        return
    name = "num_slots" if "num_slots" in struct else "counts"
    full = parameters.get("tcache_count") if parameters is not None else None
    length = len(each.chunks)
    field = struct[name]
    where = tcache_address(heap, each.thread) + field.offset + each.index * field.item_size
    if length != each.count:
        held, expected = each.count, str(length)
        if name == "num_slots" and full is not None:
            held, expected = full - each.count, f"{full - length} ({full} less the {length} chunks of the list)"
        call = (
            "a malloc of this size: it takes from a list that has less, or leaves chunks in one that it believes empty"
        )
        yield finding(
            tcache_address(heap, each.thread),
            "tcache count is not the length of the list",
            f"{name}[{each.index}]",
            where,
            held,
            expected,
            call,
            None,
            each.thread,
            why=f"{describe(each)} holds {length} chunks",
        )
    elif full is not None and length > full:
        message = heap.texts.choose("free(): too many chunks detected in tcache", otherwise="tcache list is too long")
        call = "a free of a block that looks freed already"
        yield finding(
            tcache_address(heap, each.thread),
            message,
            f"{name}[{each.index}]",
            where,
            each.count,
            f"at most {full}",
            call,
            None,
            each.thread,
        )


def _check_sizes(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    sizes = heap.view.sizes_of(each.chunks)
    wrong = (sizes != 0) & ((sizes < np.uint64(each.min_size)) | (sizes > np.uint64(each.max_size or 0)))
    for index in np.flatnonzero(wrong)[:MOST_FINDINGS].tolist():
        row = heap.table.row_of(each.chunks[index])
        if row is not None and not heap.gap[row]:
            size = int(sizes[index])
            call = f"none at once: malloc({each.min_size - heap.layout.word:#x}) hands the block out, its free takes it for one of {size:#x}"
            yield wrong_size_in_list(heap, each, row, "chunk of the wrong size in a tcache list", call)


def _check_keys(heap: CheckedHeap, bins: list[Bin]) -> Iterator[Finding]:
    """The second word of each cached block is the key that tells a double free."""
    chunks = np.array([chunk for each in bins for chunk in each.chunks], np.uint64)
    owners = [each for each in bins for _ in each.chunks]
    order = np.argsort(chunks)
    offset = heap.layout.header + heap.layout.word
    held = gather_words(heap.process.memory, heap.layout.word, chunks[order] + np.uint64(offset))[:, 0]
    addresses = np.array([tcache_address(heap, owners[index].thread) for index in order.tolist()], np.uint64)
    expected = _expected_keys(heap, held, addresses)
    if expected is None:
        return
    for index in np.flatnonzero(held != expected)[:MOST_FINDINGS].tolist():
        address, owner = int(chunks[order][index]), owners[int(order[index])]
        yield finding(
            address,
            "tcache key is overwritten",
            "key",
            address + offset,
            int(held[index]),
            f"{int(expected[index]):#x}",
            "none: but a second free of this block is not noticed, and puts it in a list twice",
            None,
            owner.thread,
            why=f"the chunk is in {describe(owner)}; either the block was written after its free, or the link that leads to it is wrong",
        )


def _expected_keys(
    heap: CheckedHeap, held: NDArray[np.uint64], addresses: NDArray[np.uint64]
) -> NDArray[np.uint64] | None:
    """Return the key that each cached chunk must have; None where this glibc has none, or it cannot be told.

    From 2.34 it is one random word for the process; from 2.29 to 2.33 the address of the owner's tcache; before, there is none.
    """
    if heap.layout.tcache_key is not None:
        return np.full(len(held), heap.layout.tcache_key, np.uint64)
    if not len(held):
        return None
    own = int(np.count_nonzero(held == addresses))
    if own * 2 > len(held):
        return addresses
    value, times = Counter(held.tolist()).most_common(1)[0]
    if heap.texts.oldest >= (2, 34) and times * 2 > len(held) and times > 1:
        return np.full(len(held), value, np.uint64)
    return None
