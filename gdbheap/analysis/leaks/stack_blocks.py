"""Threads' stacks: which part of each is in use, and the stacks that glibc keeps of threads that have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gdbheap.errors import MemoryFault
from gdbheap.lazy import np
from gdbheap.process.address_space import VMA
from gdbheap.process.process import Process, Thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAGE = 4096
# The x86-64 ABI lets a leaf function use this much below its stack pointer; i386's has no such zone.
RED_ZONE = {8: 128, 4: 0}
# offsetof(struct pthread, tid), the same in glibc 2.31 to 2.43: the kernel clears it when the thread ends (CLONE_CHILD_CLEARTID)
_TID = {8: 0x2D0, 4: 0x68}
# Within [these) of struct pthread, stackblock and stackblock_size lie side by side in every glibc.
_STACKBLOCK = {8: (0x400, 0x900), 4: (0x180, 0x480)}
# struct pthread lies at the very top of the stack's block; it is smaller than this.
_CONTROL = 2 * _PAGE
_MOST_STACKS = 1 << 16


@dataclass(frozen=True)
class StackBlock:
    """Memory that glibc made a thread's stack of, [start, end): `control` is its struct pthread, near the end.

    `is_free`: the thread has ended, and the block is kept for the next one (or until somebody joins it).
    """

    start: int
    end: int
    control: int
    is_free: bool


def stack_blocks(process: Process, pointers: Mapping[int, int]) -> list[StackBlock]:
    """Return the blocks of the threads whose thread pointer is known (`pointers`, by lwp), and those left by ended ones."""
    found: dict[int, StackBlock] = {}
    for control in pointers.values():
        block = _block_of(process, control)
        if block is not None:
            found[block.start] = block
    for vma in process.address_space:
        if _may_be_stack(vma):
            for block in _blocks_at_the_end(process, vma, found):
                found.setdefault(block.start, block)
            if len(found) > _MOST_STACKS:
                break
    return sorted(found.values(), key=lambda block: block.start)


def unused_parts(process: Process, blocks: list[StackBlock]) -> list[tuple[int, int]]:
    """Return the [start, end) of stack memory that holds nothing: below each thread's stack pointer and its red zone, and what ended
    threads have left, their struct pthread not included (it may hold a result that somebody joins for)."""
    unused = [(block.start, block.control) for block in blocks if block.is_free]
    for thread in process.threads:
        start = _stack_start(process, thread, blocks)
        if start is not None:
            unused.append((start, max(thread.stack_pointer - RED_ZONE[process.word], start)))
    return unused


def _stack_start(process: Process, thread: Thread, blocks: list[StackBlock]) -> int | None:
    """Return where the stack that the thread is on begins; None where it is none that we know (a coroutine's, a signal's)."""
    for block in blocks:
        if block.start <= thread.stack_pointer < block.end:
            return block.start
    vma = process.address_space.find(thread.stack_pointer)
    return vma.start if vma is not None and vma.path == "[stack]" else None


def _may_be_stack(vma: VMA) -> bool:
    return vma.readable and vma.writable and not vma.is_file and not vma.shared and vma.path != "[heap]"


def _blocks_at_the_end(process: Process, vma: VMA, known: Mapping[int, StackBlock]) -> Iterator[StackBlock]:
    """Yield the stack blocks that end where the VMA does, one below the other (from glibc 2.42 on no guard divides them)."""
    by_end = {block.end: block for block in known.values()}
    end = vma.end
    while end > vma.start:
        block = by_end.get(end) or _block_that_ends_at(process, end, vma.start)
        if block is None:
            return
        yield block
        end = block.start


def _block_that_ends_at(process: Process, end: int, lowest: int) -> StackBlock | None:
    start = max(end - _CONTROL, lowest)
    try:
        words = _read_words(process, start, end)
    except MemoryFault:
        return None
    # tcbhead_t holds its own address twice: as tcb and, two words on, as self.
    place = np.uint64(start) + np.arange(len(words), dtype=np.uint64) * np.uint64(process.word)
    own = words == place
    for index in np.flatnonzero(own[:-2] & (words[2:] == place[:-2])).tolist():
        block = _block_of(process, start + index * process.word)
        if block is not None and block.end == end:
            return block
    return None


def _block_of(process: Process, control: int) -> StackBlock | None:
    """Return the block that the struct pthread names; None where it names none (the main thread's)."""
    first, last = _STACKBLOCK[process.word]
    try:
        words = _read_words(process, control + first, control + last).tolist()
        tid = process.words.read(control + _TID[process.word]) & 0xFFFF_FFFF
    except MemoryFault:
        return None
    for start, size in zip(words, words[1:]):
        if start and start % _PAGE == 0 and start < control < start + size and start + size - control <= _CONTROL:
            return StackBlock(start, start + size, control, tid == 0)
    return None


def _read_words(process: Process, start: int, end: int) -> NDArray[np.uint64]:
    count = (end - start) // process.word
    return np.array(process.words.read_many(start, count), np.uint64)
