"""Where each thread's stack is: by what its own struct pthread says, else by its stack pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdbheap.process.address_space import AddressSpace
from gdbheap.process.memory import PAGE, readable_pieces
from gdbheap.process.process import Process, Thread

# The three words lie this far into struct pthread at most, by DWARF of glibc 2.31 to 2.43: 0x690 on x86-64, 0x270 on i386.
_PTHREAD = 0x800
_MOST_STACK = 1 << 36


@dataclass(frozen=True)
class ThreadStack:
    """A thread's stack block, [start, end), of which [start, guard_end) is its guard.

    `inferred` is True where only the mapping that holds the stack pointer was known; the main thread's is never more.
    """

    thread: Thread
    start: int
    guard_end: int
    end: int
    inferred: bool


def thread_stacks(process: Process) -> tuple[ThreadStack, ...]:
    """Return a stack for each thread whose stack can be told, in the order of the threads."""
    return tuple(stack for thread in process.threads for stack in _stacks(process, thread))


def _stacks(process: Process, thread: Thread) -> Iterator[ThreadStack]:
    block = _stack_block(process, thread)
    if block is not None:
        start, size, guard = block
        yield ThreadStack(thread, start, start + guard, start + size, inferred=False)
        return
    vma = process.address_space.find(thread.stack_pointer)
    if vma is not None and vma.writable:
        yield ThreadStack(thread, vma.start, vma.start, vma.end, inferred=vma.path != "[stack]")


def _stack_block(process: Process, thread: Thread) -> tuple[int, int, int] | None:
    """Return stackblock, stackblock_size and guardsize of the thread's struct pthread, known by their shape; None in the main thread,
    which has none (its stackblock is 0), and where the struct cannot be read.

    allocate_stack() in nptl puts the struct at the very end of the block, so that little but the struct follows the thread pointer.
    """
    pointer = thread.thread_pointer
    if pointer is None:
        return None
    pieces = readable_pieces(process.memory, pointer, pointer + _PTHREAD)
    data = b"".join(bytes(piece) for _, piece in pieces)
    words = memoryview(data[: len(data) & -process.word]).cast("Q" if process.word == 8 else "I")
    for block, size, guard in zip(words, words[1:], words[2:]):
        end = block + size
        if (
            0 < end - pointer <= 4 * PAGE
            and 0 < block < pointer - guard
            and PAGE <= size < _MOST_STACK
            and guard % PAGE == 0
            and _is_mapped(process.address_space, block, end)
        ):
            return block, size, guard
    return None


def _is_mapped(space: AddressSpace, start: int, end: int) -> bool:
    """Whether [start, end) is mapped without a gap, and from no file: what mmap gave as one block."""
    for vma in space.overlapping(start, end):
        if vma.start > start or vma.is_file:
            return False
        start = vma.end
    return start >= end
