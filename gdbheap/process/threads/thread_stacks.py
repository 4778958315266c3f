"""Threads' stacks: the memory that glibc gave each thread, guard and all, told by its own struct pthread without
knowing that struct's layout; and what it keeps of threads that have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.lazy import dataclass, np
from gdbheap.process.address_space import VMA, AddressSpace
from gdbheap.process.columns.gather import gather_known
from gdbheap.process.process import Process, Thread
from gdbheap.process.threads.thread_db import StackLists, record_distance, stack_lists
from gdbheap.process.threads.thread_pointers import find_thread_pointers, thread_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

# struct pthread is 0x900 to 0x940 bytes (64-bit) in glibc 2.31 to 2.43, and starts at the thread pointer.
_SIZE = 0xA00
# allocate_stack() in nptl puts struct pthread at the end of the block: so much of the block is above the thread
# pointer, at most.
_MOST_ABOVE = 1 << 14
_MOST_STACKS = 1 << 16


@dataclass(frozen=True)
class StackBlock:
    """[start, end) of what was allocated for a thread: `guard` bytes that may not be touched, the stack, its TLS, and
    at `control` its struct pthread.

    `is_free`: the thread has ended, and the block is kept for the next one (or until somebody joins it).
    """

    start: int
    end: int
    guard: int
    control: int
    is_free: bool = False


@dataclass(frozen=True)
class ThreadStack:
    """The stack of a thread, [start, end), of which [start, guard_end) is its guard; `thread_pointer`, and `control`
    where its struct pthread begins, where they are known.

    `inferred`: only the mapping that holds the stack pointer was known.
    """

    thread: Thread
    start: int
    guard_end: int
    end: int
    thread_pointer: int | None
    inferred: bool
    control: int | None = None


def thread_stacks(process: Process, pointers: Mapping[int, int], blocks: Iterable[StackBlock]) -> list[ThreadStack]:
    """Return the stack of each thread whose stack can be told, in the order of the threads; `pointers` are the
    thread pointers by lwp."""
    by_control = {block.control: block for block in blocks}
    controls = control_blocks(process, pointers)
    found = []
    for thread in process.threads:
        pointer, control = pointers.get(thread.lwp), controls.get(thread.lwp)
        block = by_control.get(control) if control is not None else None
        vma = process.address_space.find(thread.stack_pointer)
        if block is not None:
            found.append(
                ThreadStack(thread, block.start, block.start + block.guard, block.end, pointer, False, control)
            )
        elif vma is not None and vma.writable:
            named = vma.path == "[stack]" and vma.start not in process.address_space.inferred
            found.append(ThreadStack(thread, vma.start, vma.start, vma.end, pointer, not named, control))
    return found


def stack_blocks(process: Process, pointers: Mapping[int, int]) -> list[StackBlock]:
    """Return the blocks of the threads whose struct pthread tells (`pointers` are their thread pointers, by lwp), and
    those that threads have left which ended, in order of address.

    The main thread, and those whose stacks the program allocated without telling where they begin, have none.
    """
    place, found = _live_blocks(process, control_blocks(process, pointers))
    lists = stack_lists(process)
    if lists is not None:
        _add_listed(process, lists, found, place)
    elif not process.machine.tls_above:
        _add_by_shape(process, found, place)
    return sorted(found.values(), key=lambda block: block.start)


def control_blocks(process: Process, pointers: Mapping[int, int]) -> dict[int, int]:
    """Return where each thread's struct pthread begins, by lwp; {} where that is not known."""
    distance = record_distance(process) if pointers else None
    return {} if distance is None else {lwp: pointer - distance for lwp, pointer in pointers.items()}


def find_stacks(process: Process) -> tuple[list[ThreadStack], list[StackBlock]]:
    """Return the stack of each thread, and the blocks that ended threads have left."""
    pointers = find_thread_pointers(process)
    blocks = stack_blocks(process, pointers)
    return thread_stacks(process, pointers, blocks), [block for block in blocks if block.is_free]


def in_guard(process: Process, address: int) -> bool:
    """Whether the address is in the guard of a thread's stack (since glibc 2.42 it may lie inside of a mapping that
    is writable)."""
    return any(stack.start <= address < stack.guard_end for stack in find_stacks(process)[0])


def _live_blocks(process: Process, controls: Mapping[int, int]) -> tuple[int | None, dict[int, StackBlock]]:
    """Return where in struct pthread the block is told (None: in no thread's), and the threads' blocks by their start.

    In struct pthread the members stackblock, stackblock_size, guardsize follow each other (glibc 2.23 to 2.44). They
    are the words where [stackblock, +size) is mapped memory of no file and holds struct pthread itself, at its very
    end or together with the thread's stack pointer (which a signal handler on its own stack has elsewhere), at the
    same place in every thread.
    """
    known = [(controls[each.lwp], each.stack_pointer) for each in process.threads if each.lwp in controls]
    found = list(_candidates(process, known))
    votes = Counter(offset for candidates in found for offset in candidates)
    if not votes:
        return None, {}
    stacks = {offset: [each[offset] for each in found if offset in each] for offset in votes}
    place = max(
        votes, key=lambda offset: (votes[offset], sum(_is_usual(process, each) for each in stacks[offset]), -offset)
    )
    return place, {block.start: block for block in stacks[place]}


def _is_usual(process: Process, block: StackBlock) -> bool:
    """Whether this is what glibc allocates unless told otherwise: whole pages, with a guard."""
    return block.start % process.page_size == 0 and block.end % process.page_size == 0 and block.guard > 0


def _candidates(process: Process, asked: Sequence[tuple[int, int]]) -> Iterator[dict[int, StackBlock]]:
    """Yield what the words of each struct pthread may say, by their offset in it; `asked` are where it begins, and the
    thread's stack pointer."""
    controls = np.array([control for control, _ in asked], np.uint64)
    words = _words(process, controls)
    begins, sizes, guards, control = words[:, :-2], words[:, 1:-1], words[:, 2:], controls[:, None]
    is_guard = (guards < sizes) & (guards % np.uint64(process.page_size) == 0)
    holds = (begins != 0) & (begins < control) & (sizes > control - begins)
    found: list[dict[int, StackBlock]] = [{} for _ in asked]
    for row, index in zip(*(each.tolist() for each in np.nonzero(is_guard & holds))):
        start, size, guard = words[row, index : index + 3].tolist()
        (at, stack_pointer), end = asked[row], start + size
        inside = start < stack_pointer < end or end - at <= _MOST_ABOVE
        if inside and _is_mapped(process.address_space, start, end):
            found[row][index * process.pointer_size] = StackBlock(start, end, guard, at)
    yield from found


def _add_listed(process: Process, lists: StackLists, found: dict[int, StackBlock], place: int | None) -> None:
    """Add the blocks that the dynamic linker's lists have beside those of living threads."""
    known = {block.control for block in found.values()}
    for control in (*lists.used, *lists.kept):
        if control not in known and len(found) <= _MOST_STACKS:
            told = next(_candidates(process, [(control, 0)]))
            block = (
                told.get(place)
                if place is not None
                else next((each for each in told.values() if each.start % process.page_size == 0), None)
            )
            if block is not None:
                found.setdefault(block.start, replace(block, is_free=thread_id(process, control) in (0, -1)))


def _add_by_shape(process: Process, found: dict[int, StackBlock], place: int | None) -> None:
    """Add the blocks that lie at the end of a mapping, told by their struct pthread, which begins with its own
    address."""
    by_end = {block.end: block for block in found.values()}
    for vma in process.address_space:
        if _may_be_stack(vma):
            for block in _blocks_at_the_end(process, vma, by_end, place):
                if block.start not in found:
                    found[block.start] = by_end[block.end] = block
            if len(found) > _MOST_STACKS:
                break


def _may_be_stack(vma: VMA) -> bool:
    return vma.readable and vma.writable and not vma.is_file and not vma.shared and vma.path != "[heap]"


def _blocks_at_the_end(
    process: Process, vma: VMA, by_end: Mapping[int, StackBlock], place: int | None
) -> Iterator[StackBlock]:
    """Yield the stack blocks that end where the VMA does, one below the other (from glibc 2.42 on no guard divides
    them); `by_end` are those that are known."""
    end = vma.end
    while end > vma.start:
        block = by_end.get(end) or _block_that_ends_at(process, end, vma.start, place)
        if block is None:
            return
        yield block
        end = block.start


def _block_that_ends_at(process: Process, end: int, lowest: int, place: int | None) -> StackBlock | None:
    start, pointer_size = max(end - 2 * process.page_size, lowest), process.pointer_size
    try:
        words = np.array(process.words.read_many(start, (end - start) // pointer_size), np.uint64)
    except MemoryFault:
        return None
    # tcbhead_t holds its own address twice: as tcb and, two words on, as self.
    own = words == np.uint64(start) + np.arange(len(words), dtype=np.uint64) * np.uint64(pointer_size)
    twice = own[:-2] & (words[2:] == words[:-2])
    for index in np.flatnonzero(twice).tolist():
        control = start + index * pointer_size
        for offset, block in next(_candidates(process, [(control, 0)])).items():
            if block.end == end and block.start % process.page_size == 0 and place in (None, offset):
                return replace(block, is_free=thread_id(process, control) in (0, -1))
    return None


def _is_mapped(space: AddressSpace, start: int, end: int) -> bool:
    """Whether [start, end) is mapped without a gap, and from no file."""
    for vma in space.overlapping(start, end):
        if vma.start > start or vma.is_file:
            return False
        start = vma.end
    return start >= end


def _words(process: Process, controls: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the words from each of `controls` on, as far as they can be read; zeros behind these."""
    count = _SIZE // process.pointer_size
    words, known = gather_known(process.memory, process.pointer_size, controls, count)
    for row in np.flatnonzero(~known).tolist():
        control = int(controls[row])
        fewer = (process.page_size - control % process.page_size) // process.pointer_size
        try:
            there = process.words.read_many(control, min(fewer, count))
        except (MemoryFault, OverflowError):
            continue
        words[row, : len(there)] = there
    return words
