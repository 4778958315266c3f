"""Where each thread's stack is: by what its own struct pthread says, else by its stack pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdbheap.process.process import Process, Thread
from gdbheap.process.thread_pointers import find_thread_pointers
from gdbheap.process.thread_stacks import find_thread_stacks


@dataclass(frozen=True)
class Stack:
    """A thread's stack block, [start, end), of which [start, guard_end) is its guard; `thread_pointer` where it is known.

    `inferred`: only the mapping that holds the stack pointer was known.
    """

    thread: Thread
    start: int
    guard_end: int
    end: int
    thread_pointer: int | None
    inferred: bool


def thread_stacks(process: Process) -> tuple[Stack, ...]:
    """Return a stack for each thread whose stack can be told, in the order of the threads."""
    return tuple(_stacks(process))


def _stacks(process: Process) -> Iterator[Stack]:
    pointers = find_thread_pointers(process)
    blocks = find_thread_stacks(process, pointers)
    for thread in process.threads:
        pointer, block = pointers.get(thread.lwp), blocks.get(thread.lwp)
        vma = process.address_space.find(thread.stack_pointer)
        if block is not None:
            yield Stack(thread, block.start, block.start + block.guard, block.end, pointer, inferred=False)
        elif vma is not None and vma.writable:
            named = vma.path == "[stack]" and vma.start not in process.address_space.inferred
            yield Stack(thread, vma.start, vma.start, vma.end, pointer, inferred=not named)
