"""Which part of the threads' stacks is in use, and so may hold pointers."""

from __future__ import annotations

from gdbheap.process.intervals import Intervals
from gdbheap.process.process import Process, Thread
from gdbheap.process.threads.thread_stacks import StackBlock


def unused_parts(process: Process, blocks: list[StackBlock]) -> list[tuple[int, int]]:
    """Return the [start, end) of stack memory that holds nothing: below each thread's stack pointer and its red
    zone, and what ended threads have left, their struct pthread not included (it may hold a result that somebody
    joins for)."""
    unused = [(block.start, block.control) for block in blocks if block.is_free]
    found = Intervals((block.start, block.end, block) for block in blocks)
    for thread in process.threads:
        start = _stack_start(process, thread, found)
        if start is not None:
            unused.append((start, max(thread.stack_pointer - process.machine.red_zone, start)))
    return unused


def _stack_start(process: Process, thread: Thread, blocks: Intervals[StackBlock]) -> int | None:
    """Return where the stack that the thread is on begins; None where it is none that we know (a coroutine's, a
    signal's)."""
    for block in blocks.at(thread.stack_pointer):
        return block.start
    vma = process.address_space.find(thread.stack_pointer)
    return vma.start if vma is not None and vma.path == "[stack]" else None
