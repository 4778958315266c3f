"""Each thread's stack as glibc allocated it, guard and all: from its struct pthread, without knowing that struct's layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gdbheap.errors import MemoryFault
from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import PAGE
from gdbheap.process.process import Process

# struct pthread is 0x900 to 0x940 bytes (64-bit) in glibc 2.31 to 2.43, and starts at the thread pointer.
_SIZE = 0xA00

# allocate_stack() in nptl puts struct pthread at the end of the block: so much of the block is above the thread pointer, at most.
_MOST_ABOVE = 4 * PAGE


@dataclass(frozen=True)
class ThreadStack:
    """[start, end) of what was allocated for a thread: `guard` bytes that may not be touched, the stack, its TLS and struct pthread."""

    start: int
    end: int
    guard: int


def find_thread_stacks(process: Process, pointers: Mapping[int, int]) -> dict[int, ThreadStack]:
    """Return {lwp: its stack} for the threads whose struct pthread tells; `pointers` are their thread pointers.

    The main thread, and those whose stacks the program allocated without telling where they begin, are not among them.

    In struct pthread the members stackblock, stackblock_size, guardsize follow each other (glibc 2.23 to 2.44). They are the words where
    [stackblock, +size) is mapped memory of no file and holds struct pthread itself, at its very end or together with the thread's stack
    pointer (which a signal handler on its own stack has elsewhere), at the same place in every thread.
    """
    found: dict[int, dict[int, ThreadStack]] = {}
    for thread in process.threads:
        pointer = pointers.get(thread.lwp)
        if pointer is not None:
            found[thread.lwp] = _candidates(process, pointer, thread.stack_pointer)
    votes = Counter(offset for candidates in found.values() for offset in candidates)
    if not votes:
        return {}
    stacks = {offset: [each[offset] for each in found.values() if offset in each] for offset in votes}
    place = max(votes, key=lambda offset: (votes[offset], sum(_is_usual(each) for each in stacks[offset]), -offset))
    return {lwp: candidates[place] for lwp, candidates in found.items() if place in candidates}


def _is_usual(stack: ThreadStack) -> bool:
    """Whether this is what glibc allocates unless told otherwise: whole pages, with a guard."""
    return stack.start % PAGE == 0 and stack.end % PAGE == 0 and stack.guard > 0


def _candidates(process: Process, pointer: int, stack_pointer: int) -> dict[int, ThreadStack]:
    """Return what the words of one struct pthread may say, by their offset in it."""
    found: dict[int, ThreadStack] = {}
    words = _words(process, pointer)
    for index in range(len(words) - 2):
        start, size, guard = words[index : index + 3]
        end = start + size
        inside = start < pointer < end and (start < stack_pointer < end or end - pointer <= _MOST_ABOVE)
        if start and inside and guard < size and guard % PAGE == 0 and _is_mapped(process.address_space, start, end):
            found[index * process.word] = ThreadStack(start, end, guard)
    return found


def _is_mapped(space: AddressSpace, start: int, end: int) -> bool:
    """Whether [start, end) is mapped without a gap, and from no file."""
    for vma in space.overlapping(start, end):
        if vma.start > start or vma.is_file:
            return False
        start = vma.end
    return start >= end


def _words(process: Process, pointer: int) -> list[int]:
    """Return the words from `pointer` on, as far as they can be read."""
    for size in (_SIZE, PAGE - pointer % PAGE):
        try:
            return list(process.words.read_many(pointer, size // process.word))
        except (MemoryFault, OverflowError):
            continue
    return []
