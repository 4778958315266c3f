"""Checks of the tcaches: counts against lists, sizes, keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.analysis.invariants.check_bins import wrong_size_in_list
from gdbheap.analysis.invariants.check_parameters import of_mp
from gdbheap.analysis.invariants.checked_heap import MOST_FINDINGS, CheckedHeap
from gdbheap.analysis.invariants.finding import Finding, Must, Violation, WrongField, exactly, number
from gdbheap.analysis.invariants.listed_wrongly import Listed, left_by_a_list
from gdbheap.counted import counted
from gdbheap.errors import MemoryFault
from gdbheap.glibc.heap_view import Bin
from gdbheap.glibc.invariant import Invariant
from gdbheap.glibc.naming import list_name
from gdbheap.lazy import np
from gdbheap.process.clause import clause
from gdbheap.process.columns.gather import gather_words
from gdbheap.process.cstruct import CStruct
from gdbheap.process.fault import called

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_tcaches(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield what is wrong with the tcaches, their links aside (whoever reads the lists checks those)."""
    yield from _wild_pointers(heap)
    bins = [each for each in heap.view.bins if each.kind == "tcache"]
    full = _full(heap, bins)
    setting = heap.view.parameters.get("tcache_count") if heap.view.parameters is not None else None
    if full != setting and heap.view.parameters is not None and full is not None:
        why = clause("nearly_every_tcache_bin_free_slots")
        call = clause("none_once_every_tcache_list_taken")
        yield of_mp(heap.view.parameters, "tcache_count", number(full), call, why)
    for each in bins:
        yield from _check_count(heap, each, full)
        yield from _check_sizes(heap, each)
    yield from _check_keys(heap, bins)
    yield from _check_free_slots(heap, full)


def _wild_pointers(heap: CheckedHeap) -> Iterator[Finding]:
    """Yield each thread's pointer to its tcache that leads to where none can be: its lists cannot be read then."""
    for thread in heap.layout.threads:
        if thread.wild_tcache is not None:
            place, value = thread.wild_tcache
            must = clause("address_thread_s_tcache_heap_0")
            call = clause("next_malloc_free_small_block_thread", number=thread.number)
            yield Violation(Invariant.TCACHE_POINTER, called("tcache_pointer_leads_nowhere"), Must(must), call).at(
                place, WrongField("tcache", place, value), thread=thread.lwp
            )


def tcache_address(heap: CheckedHeap, thread: int | None) -> int:
    """Return where the tcache of the thread with this lwp is, 0 where that is not known."""
    found = next((each.tcache for each in heap.layout.threads if each.lwp == thread), None)
    return 0 if found is None else found.value


def _full(heap: CheckedHeap, bins: list[Bin]) -> int | None:
    """Return how many chunks a tcache bin may hold: mp_.tcache_count, unless the bins that count free slots agree on
    another number."""
    parameters = heap.view.parameters
    setting = parameters.get("tcache_count") if parameters is not None else None
    if setting is None:
        return None
    lengths = {(each.thread, each.index): len(each.chunks) for each in bins}
    sums: Counter[int] = Counter()
    for lwp, _, slots in _slots(heap):
        sums.update(free + lengths.get((lwp, index), 0) for index, free in enumerate(slots))
    if not sums:
        return setting
    value, times = sums.most_common(1)[0]
    return value if sums[setting] == 0 and times * 2 > sum(sums.values()) else setting


def _slots(heap: CheckedHeap) -> Iterator[tuple[int, int, list[int]]]:
    """Yield (lwp, address of the tcache, free slots of its bins), from glibc 2.42 on, which counts those and not the
    chunks."""
    struct = heap.layout.tcache_struct
    for thread in heap.layout.threads:
        if thread.tcache is None or struct is None or "num_slots" not in struct:
            continue
        try:
            value = struct.read(heap.process.memory, thread.tcache.value)
        except MemoryFault:
            continue
        yield thread.lwp, thread.tcache.value, value.array("num_slots")


def _check_count(heap: CheckedHeap, each: Bin, full: int | None) -> Iterator[Finding]:
    struct = heap.layout.tcache_struct
    if struct is None or each.count is None or each.fault is not None:
        return
    name = "num_slots" if "num_slots" in struct else "counts"
    length = len(each.chunks)
    field = struct[name]
    where = tcache_address(heap, each.thread) + field.offset + each.index * field.item_size
    held, expected = each.count, number(length)
    if name == "num_slots":
        held = int.from_bytes(heap.process.memory.read(where, field.item_size), "little")
    wrong = held + length != full if name == "num_slots" else held != length
    if wrong and (name != "num_slots" or full is None or held <= full):
        if name == "num_slots" and full is not None:
            expected = number(
                full - length, clause("free_slots_of_the_list", full=full, count=counted(length, "chunk"))
            )
        call = clause("malloc_size_takes_from_list_less")
        is_short = held > length if name == "counts" else full is not None and held + length < full
        why = clause("list_holds", list=list_name(each), count=counted(length, "chunk"))
        if is_short:
            why = clause("list_holds_or_was_cut", list=list_name(each), count=counted(length, "chunk"))
        found = Violation(
            Invariant.TCACHE_COUNT,
            called("tcache_count_wrong"),
            expected,
            call,
            why,
        ).at(tcache_address(heap, each.thread), WrongField(f"{name}[{each.index}]", where, held), thread=each.thread)
        yield replace(found, listed=_left_over_the_head(heap, each, struct))
    elif full is not None and length > full:
        message = heap.texts.choose(
            "free(): too many chunks detected in tcache", otherwise=called("tcache_list_too_long")
        )
        call = clause("free_block_looks_freed_already")
        yield Violation(Invariant.TCACHE_LENGTH, message, Must(clause("at_most_a_full_list", full=full)), call).at(
            tcache_address(heap, each.thread),
            WrongField(f"{name}[{each.index}]", where, each.count),
            thread=each.thread,
        )


def _left_over_the_head(heap: CheckedHeap, each: Bin, struct: CStruct) -> Listed | None:
    """Return the link that a list left before the head of this one, with whose key it wrote over the head."""
    word = heap.layout.pointer_size
    slot = tcache_address(heap, each.thread) + struct.offset("entries") + (each.index - 1) * word
    is_left = each.index > 0 and left_by_a_list(heap, slot, heap.words.read(slot))
    return Listed("left", slot, heap.view.chunk_at(slot)) if is_left else None


def _check_free_slots(heap: CheckedHeap, full: int | None) -> Iterator[Finding]:
    """No bin has more free slots than a bin has in all."""
    struct = heap.layout.tcache_struct
    for lwp, tcache, slots in _slots(heap) if full is not None else ():
        assert struct is not None and full is not None
        field = struct["num_slots"]
        for index, held in enumerate(slots):
            if held > full:
                where = tcache + field.offset + index * field.item_size
                message = called("tcache_slots_too_many")
                expected, call = clause("at_most_tcache_count", full=full), clause("none_list_grows_longer_than_may")
                name = f"num_slots[{index}]"
                yield Violation(Invariant.TCACHE_SLOTS, message, Must(expected), call).at(
                    tcache, WrongField(name, where, held), thread=lwp
                )


def _check_sizes(heap: CheckedHeap, each: Bin) -> Iterator[Finding]:
    sizes = heap.view.sizes_of(each.chunks[: heap.believed(each)])
    wrong = (sizes != 0) & ((sizes < np.uint64(each.min_size)) | (sizes > np.uint64(each.max_size or 0)))
    for index in np.flatnonzero(wrong)[:MOST_FINDINGS].tolist():
        row = heap.table.row_of(each.chunks[index])
        if row is not None and not heap.gap[row]:
            size = int(sizes[index])
            call = clause("no_call_but_sizes_get_mixed", value=each.min_size - heap.layout.pointer_size, size=size)
            yield wrong_size_in_list(heap, each, row, called("wrong_size_in_tcache"), call)


def _check_keys(heap: CheckedHeap, bins: list[Bin]) -> Iterator[Finding]:
    """The second word of each cached block is the key that tells a double free."""
    believed = [(each, chunk) for each in bins for chunk in each.chunks[: heap.believed(each)]]
    chunks = np.array([chunk for _, chunk in believed], np.uint64)
    owners = [each for each, _ in believed]
    order = np.argsort(chunks)
    offset = heap.layout.header + heap.layout.pointer_size
    held = gather_words(heap.process.memory, heap.layout.pointer_size, chunks[order] + np.uint64(offset))[:, 0]
    addresses = np.array([tcache_address(heap, owners[index].thread) for index in order.tolist()], np.uint64)
    expected = _expected_keys(heap, held, addresses)
    if expected is None:
        return
    for index in np.flatnonzero(held != expected)[:MOST_FINDINGS].tolist():
        address, owner = int(chunks[order][index]), owners[int(order[index])]
        yield Violation(
            Invariant.TCACHE_KEY,
            called("tcache_key_overwritten"),
            exactly(int(expected[index])),
            clause("none_but_second_free_block_not"),
            clause("chunk_either_block_written_after_free", list=list_name(owner)),
        ).at(address, WrongField("key", address + offset, int(held[index])), thread=owner.thread)


def _expected_keys(
    heap: CheckedHeap, held: NDArray[np.uint64], addresses: NDArray[np.uint64]
) -> NDArray[np.uint64] | None:
    """Return the key that each cached chunk must have; None where this glibc has none, or it cannot be told.

    From 2.34 it is one random word for the process; from 2.29 to 2.33 the address of the owner's tcache; before,
    there is none.
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
